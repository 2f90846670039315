"""What a run costs in time: training, looks, the certificate, the base's own answers, replay.

Measured figures and the sizes of a run go in; one line for each kind of work comes out. Where a run may stop early
(an alarm, a verdict that is clear before its items run out, a walk that ends at its first failure) the bill counts the
whole way: it is an upper bound there.
"""

from __future__ import annotations

from collections.abc import Iterator

from forgetless.guard import first_items, in_other_batches
from forgetless.planning.answering import passes_for
from forgetless.planning.measured import Measured, batch_shape
from forgetless.planning.nouns import Cadence, Cost
from forgetless.planning.replay import replay_work
from forgetless.recipe import Recipe
from forgetless.records import Part
from forgetless.stages import Ground, shared_scores
from forgetless.synthesis import ReplayState
from forgetless.tasks import BLOCK_ITEMS, Task, block_items, is_measured
from forgetless.training import checkpoint_bytes

DOMAIN = "domain"


class Prices:
    """Seconds and generated tokens of asking a task, and of what is made of that.

    Args:
        recipe: The recipe, with or without gaps.
        ground: What the run stands on.
        measured: Figures of the real model.
    """

    def __init__(self, recipe: Recipe, ground: Ground, measured: Measured) -> None:
        self.recipe = recipe
        self.ground = ground
        self.measured = measured
        self.shape = batch_shape(recipe, ground)
        self.tasks = ground.exam.tasks
        self._asked: dict[tuple[str, int, int], tuple[float, int]] = {}

    def items(self, name: str, part: Part, limit: int | None) -> int:
        """How many items of a task are asked at a look, or for the certificate."""
        size = self.tasks[name].size(part)
        return size if limit is None else min(limit, size)

    def asking(self, name: str, items: int, block: int = BLOCK_ITEMS) -> tuple[float, int]:
        """One model on so many items of a task, `block` of them at once."""
        key = (name, items, block)
        if key not in self._asked:
            self._asked[key] = self._ask(*key)
        return self._asked[key]

    def certifying(self, name: str, *, in_turn: bool) -> tuple[float, int]:
        """One model on all test items of a task; `in_turn` in the blocks of a verdict, but for the domain."""
        size = self.items(name, "test", self.recipe.evaluation.test_items)
        return self.asking(name, size, block_items(size) if in_turn and name != DOMAIN else BLOCK_ITEMS)

    def look(self, dev_items: int) -> tuple[float, int]:
        """One look: the tuned model on every task, and the base beside it on fresh items."""
        seconds, written = self.measured.hash_seconds, 0
        for name, task in self.tasks.items():
            once = self.asking(name, self.items(name, "dev", dev_items))
            models = 2 if task.fresh else 1
            seconds, written = seconds + models * once[0], written + models * once[1]
        return seconds, written

    def _ask(self, name: str, items: int, block: int) -> tuple[float, int]:
        sample = self.measured.tasks[name]
        seconds = items * sample.other_seconds
        if sample.answers is None:
            return seconds, 0
        rows, rows_at_once = (max(1, round(n * sample.answers_per_item)) for n in (items, block))
        work = passes_for(sample.answers, rows, self.shape, block=rows_at_once)
        return seconds + self.measured.law.seconds(work), work.written_tokens


def bill(prices: Prices, replay: ReplayState | None, cadence: Cadence, *, steps: int) -> tuple[Cost, ...]:
    """Every line of the bill, in the order of the work."""
    return (
        *_replay(prices, replay),
        _noise(prices, cadence),
        _training(prices, cadence, steps),
        _looks(prices, cadence),
        _base(prices, "dev", cadence.dev_items),
        _certificate(prices, cadence),
        _base(prices, "test", prices.recipe.evaluation.test_items),
    )


def _replay(prices: Prices, state: ReplayState | None) -> Iterator[Cost]:
    settings, sample = prices.recipe.replay, prices.measured.replay
    if settings is None or state is None:
        return
    if state.complete or sample is None:
        yield Cost("replay", 0.0, kept=True)
        return
    seconds, written = replay_work(state, sample, settings, format=prices.ground.base.format,
                                   law=prices.measured.law, shape=prices.shape)  # fmt: skip
    elsewhere = settings.endpoint is not None
    yield Cost("replay", 0.0 if elsewhere else seconds, written, elsewhere=elsewhere)


def _noise(prices: Prices, cadence: Cadence) -> Cost:
    """The base once more on the first dev items of every capability, in other batches; both times on fresh ones.

    What a fixed task costs in the looks' own batches counts among the base's dev items.
    """
    seconds, written, known = 0.0, 0, []
    engine = prices.ground.engine.in_smaller_batches()
    for capability in prices.ground.exam.capabilities:
        items = first_items(capability.task, dev_items=cadence.dev_items, seed=prices.recipe.seed)
        again, _ = in_other_batches(items)
        known.append(is_measured(engine, capability.task, again, store=shared_scores()))
        if not known[-1]:
            cost = prices.asking(capability.name, len(items))
            times = 2 if capability.task.fresh else 1
            seconds, written = seconds + times * cost[0], written + times * cost[1]
    return Cost("noise", seconds, written, kept=all(known))


def _training(prices: Prices, cadence: Cadence, steps: int) -> Cost:
    """What comes before the first step, the steps, and a checkpoint after every look."""
    trial = prices.measured.trial
    speed, settings = prices.measured.disk_bytes_per_second, prices.recipe.training
    saving = checkpoint_bytes(prices.ground.base.model, settings) / speed if speed else 0.0
    before = trial.reading_seconds + trial.starting_seconds
    return Cost("training", before + steps * trial.step_seconds + cadence.looks * saving)


def _looks(prices: Prices, cadence: Cadence) -> Cost:
    seconds, written = prices.look(cadence.dev_items)
    return Cost("looks", cadence.looks * seconds, cadence.looks * written)


def _base(prices: Prices, part: Part, limit: int | None) -> Cost:
    """The base on fixed items, once for all runs; on the fresh ones of the certificate (those of looks count there)."""
    seconds, written, known = 0.0, 0, []
    in_turn = part == "test" and prices.recipe.evaluation.stop_early
    for name, task in prices.tasks.items():
        if task.fresh and part == "dev":
            continue
        known.append(_kept(prices, task, part, limit))
        if not known[-1]:
            items = prices.items(name, part, limit)
            cost = prices.certifying(name, in_turn=True) if in_turn else prices.asking(name, items)
            seconds, written = seconds + cost[0], written + cost[1]
    return Cost("base_dev" if part == "dev" else "base_test", seconds, written, kept=bool(known) and all(known))


def _kept(prices: Prices, task: Task, part: Part, limit: int | None) -> bool:
    """Whether the base has answered these items in an earlier run; only their names are looked at."""
    if task.fresh:
        return False
    items = task.items(part, limit=limit, seed=prices.recipe.seed)
    return is_measured(prices.ground.engine, task, items, store=shared_scores())


def _certificate(prices: Prices, cadence: Cadence) -> Cost:
    """The tuned model on all test items, every position of the path on them and on the domain's dev items."""
    evaluation = prices.recipe.evaluation
    lines = [prices.certifying(name, in_turn=evaluation.stop_early) for name in prices.tasks]
    inside = [a for a in evaluation.path if a < 1.0]
    lines += [prices.certifying(name, in_turn=True) for name in prices.tasks if name != DOMAIN] * len(inside)
    dev = prices.asking(DOMAIN, prices.items(DOMAIN, "dev", cadence.dev_items))
    lines += [dev] * len(evaluation.path)
    if inside:
        lines.append(prices.certifying(DOMAIN, in_turn=False))
    return Cost("certificate", sum(seconds for seconds, _ in lines), sum(written for _, written in lines))
