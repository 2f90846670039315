"""How often is it said that something changed when nothing did? Models against themselves, by the functions that ship.

A model is asked many sets of items, and then asked the same again in another way:

    other batches         `evaluation.batch_tokens` an eighth as large
    bfloat16              weights and computation in bfloat16 in place of float32
    eager attention       written out, in place of PyTorch's fused one
    harmless fine-tune    trained on its own greedy answers: their likelihood, and KL to the base on them, at a small
                          learning rate

Every set is judged by itself: each ability by `judge` and by a `SequentialJudge` in blocks, all abilities together by
`judge_all`, with the noise that the guard measures of the base. Cut into looks of 100 items, the sets are also a row of
runs for the two kinds of alarm. Counted are words that should not be said of what the base can do (where it cannot, the
verdict is *absent*), with exact (Clopper-Pearson) 95 % intervals.
Whether a way of asking was as harmless as it sounds is told by the answers to all sets together: items that turned, and
the change that they show.

    nano       fresh items of the ten abilities
    smollm2    SmolLM2-135M-Instruct; items of public sets in disjoint pieces: the probability of the right answers of
               CommonsenseQA, MMLU and GSM8K

Each way of asking is a cell of bench/results/nulls.json. One that stands there with as many items is not measured
again: a bench that was stopped goes on where it was, after asking the base anew.

    python bench/nulls.py                    # both models: about an hour on one quiet core
    python bench/nulls.py --parts nano
    python bench/nulls.py --quick            # under a minute: nano, few sets; writes nothing
    python bench/nulls.py --table            # the figures in bench/results as tables for the docs
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from nano_arms import MODEL, answered_by_base, as_records, write_records
from results import FOLDER, write_result
from scipy import stats

from forgetless import nano
from forgetless.engines import TransformersEngine
from forgetless.guard import measure_noises
from forgetless.guard.capability import Capability
from forgetless.models import LoadedModel, load_model
from forgetless.recipe import AnswerProbabilityTask, ModelSettings, ProceduralTask, parse_recipe
from forgetless.records import Item, ItemResult
from forgetless.rundir import ScoreStore
from forgetless.stages import load_sources
from forgetless.tasks import Task, block_items, build_task
from forgetless.training import blend, checkpoint_model, fit
from forgetless.verdicts import FixedListAlarm, FreshItemsAlarm, SequentialJudge, compare_paired, judge, judge_all, pair

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"

ALPHA = 0.05
BATCH_TOKENS = 8192
LOOK_ITEMS = 100
LOOKS = 5
"""Of a run, for the alarms."""
LETTERS = ["A", "B", "C", "D"]

Results = list[list[ItemResult]]
"""One list for each set."""
Sets = Mapping[str, Sequence[tuple[Item, ...]]]


@dataclass(frozen=True)
class Part:
    """A model and what it is asked.

    `tuning` is what a recipe says of the harmless fine-tune, and `write_prompts` writes the file of prompts that it
    starts from.
    """

    model: ModelSettings
    tasks: dict[str, Task]
    margin: float
    sets: int
    items: int
    dev_items: int
    tuning: dict[str, dict[str, Any]]
    write_prompts: Callable[[Path], None]

    def asked(self) -> Sets:
        """The sets of every task: fresh draws, or pieces of its test part, as many as it has."""
        return {name: _sets(task, self.sets, self.items) for name, task in self.tasks.items()}

    @property
    def size(self) -> dict[str, Any]:
        """What tells whether a cell of the file has been measured alike."""
        return {"sets": self.sets, "items": self.items, "dev_items": self.dev_items, "tuning": self.tuning}


class Count(NamedTuple):
    """How often something happened."""

    found: int
    of: int

    @property
    def interval(self) -> tuple[float, float]:
        """Of the rate, exact, 95 % (Clopper and Pearson)."""
        low, high = stats.binomtest(self.found, self.of).proportion_ci(0.95, method="exact")
        return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--sets", type=int, help="of each task (nano: 45; smollm2: 8, or as many as its items make)")
    parser.add_argument("--items", type=int, help="of each set (nano: 300; smollm2: 100)")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--table", action="store_true", help="print what stands in bench/results, and ask nothing")
    parser.add_argument("--name", help="of the file in bench/results (nulls; with --quick `-`, which writes none)")
    asked = parser.parse_args()
    name = asked.name or ("-" if asked.quick else "nulls")
    cells = _kept(name)
    if not asked.table:
        parts = ["nano"] if asked.quick else asked.parts
        with tempfile.TemporaryDirectory() as place:
            os.environ["FORGETLESS_CACHE"] = f"{place}/cache"
            for part in parts:
                folder = Path(place) / part
                folder.mkdir()
                for cell in measure(part, PARTS[part](asked), cells, folder):
                    cells = [kept for kept in cells if _told(kept) != _told(cell)] + [cell]
                    print(line(cell), flush=True)
                    if name != "-":
                        write_result(name, {"alpha": ALPHA, "cells": cells}, seed=0)
    print("\n".join(tables(cells)))


def measure(name: str, part: Part, known: Sequence[dict[str, Any]], folder: Path) -> Iterator[dict[str, Any]]:
    """Every cell of a part that is not known with as many items."""
    same = {cell["way"] for cell in known if cell["part"] == name and cell["size"] == part.size}
    missing = [way for way in WAYS if way not in same]
    if not missing:
        return
    base = load_model(part.model, folder=Path())
    engine, sets = engine_over(base), part.asked()
    capabilities = [Capability(task, part.tasks[task], part.margin) for task in part.tasks]
    noises = measure_noises(engine, capabilities, dev_items=part.dev_items, seed=0, store=ScoreStore(folder / "scores"))
    before = answers(engine, part, sets)
    for way in missing:
        started = time.monotonic()
        after = answers(WAYS[way](base, part, folder), part, sets)
        figures = judged(part, before, after, noises)
        seconds = round(time.monotonic() - started, 1)
        yield {"part": name, "way": way, "size": part.size, **figures, "seconds": seconds}


def answers(engine: TransformersEngine, part: Part, sets: Sets) -> dict[str, Results]:
    """The answers to every set, asked one after the other, as looks are."""
    return {name: [part.tasks[name].score(engine, items) for items in drawn] for name, drawn in sets.items()}


def engine_over(loaded: LoadedModel, batch_tokens: int = BATCH_TOKENS) -> TransformersEngine:
    return TransformersEngine(loaded.model, loaded.format, model_hash=loaded.hash, batch_tokens=batch_tokens)


# Ways to ask again


def in_other_batches(base: LoadedModel, part: Part, folder: Path) -> TransformersEngine:
    return engine_over(base, BATCH_TOKENS // 8)


def in_bfloat16(base: LoadedModel, part: Part, folder: Path) -> TransformersEngine:
    return engine_over(load_model(part.model.model_copy(update={"dtype": "bfloat16"}), folder=Path()))


def by_eager_attention(base: LoadedModel, part: Part, folder: Path) -> TransformersEngine:
    return engine_over(load_model(part.model.model_copy(update={"attention": "eager"}), folder=Path()))


def after_a_harmless_fine_tune(base: LoadedModel, part: Part, folder: Path) -> TransformersEngine:
    """The base, trained on what it answers anyway; made anew it is the same model."""
    part.write_prompts(folder / "prompts.jsonl")
    replay = {"share": 0.5, "prompts": [{"files": ["prompts.jsonl"]}], "temperature": 0.0} | part.tuning["replay"]
    recipe = parse_recipe(
        {
            "name": "harmless",
            "model": part.model.model_dump(exclude_defaults=True),
            "sources": {"own": {"kind": "domain", "files": ["own.jsonl"], "share": 0.5}},
            "replay": replay,
            "training": {"kl_weight": 1.0} | part.tuning["training"],
        }
    )
    rows = answered_by_base(recipe, base, folder)
    # An answer that was cut off would teach to stop there.
    room = part.tuning["replay"]["max_new_tokens"]
    whole = [row for row in rows if len(base.format.tokenizer(row.messages[-1].content).input_ids) < room]
    write_records(folder / "own.jsonl", as_records(whole))
    own = {source.name: source.rows for source in load_sources(recipe, folder)}
    checkpoints = folder / "checkpoints"
    result = fit(
        base,
        blend(own, rows, base.format, recipe=recipe),
        settings=recipe.training,
        output=checkpoints,
        every_steps=100_000,
        on_evaluate=lambda model, step, tokens: None,
        seed=0,
    )
    tuned = checkpoint_model(base, checkpoints, result.steps, recipe.training)
    return TransformersEngine(tuned, base.format, model_hash="harmless", batch_tokens=BATCH_TOKENS)


WAYS: dict[str, Callable[[LoadedModel, Part, Path], TransformersEngine]] = {
    "other batches": in_other_batches,
    "bfloat16": in_bfloat16,
    "eager attention": by_eager_attention,
    "harmless fine-tune": after_a_harmless_fine_tune,
}


# What is said


def judged(
    part: Part, before: dict[str, Results], after: dict[str, Results], noises: Mapping[str, float]
) -> dict[str, Any]:
    """The figures of one way of asking."""
    tasks = {
        name: {
            "sets": len(before[name]),
            "noise": noises[name],
            **told_of_all(before[name], after[name], binary=task.binary),
            "judge": Counter(at_once(part, task, noises[name], *two) for two in _pairs(before[name], after[name])),
            "sequential": Counter(
                in_blocks(part, task, noises[name], *two) for two in _pairs(before[name], after[name])
            ),
        }
        for name, task in part.tasks.items()
    }
    return {
        "tasks": tasks,
        "together": together(part, before, after, noises)._asdict(),
        "alarms": {kind.__name__: alarms(kind, before, after)._asdict() for kind in (FreshItemsAlarm, FixedListAlarm)},
    }


def told_of_all(before: Results, after: Results, *, binary: bool) -> dict[str, Any]:
    """What the answers to all sets together show; right and wrong ones may turn."""
    compared = compare_paired(_as_one(before), _as_one(after))
    turned = {"losses": compared.losses, "gains": compared.gains} if binary else {}
    scores = [result.score for results in before for result in results if result.score is not None]
    return {
        "items": compared.n,
        "base_score": sum(scores) / len(scores),
        **turned,
        "change": {"estimate": compared.estimate, "interval": compared.interval},
    }


def at_once(part: Part, task: Task, noise: float, before: Sequence[ItemResult], after: Sequence[ItemResult]) -> str:
    """The word on complete results."""
    found = judge(before, after, capability=task.name, margin=part.margin, alpha=ALPHA, chance=task.chance, noise=noise)
    return found.outcome


def in_blocks(part: Part, task: Task, noise: float, before: Sequence[ItemResult], after: Sequence[ItemResult]) -> str:
    """The word on items as they come."""
    one = SequentialJudge(task.name, margin=part.margin, planned_n=len(before), alpha=ALPHA, chance=task.chance,
                          noise=noise, binary=task.binary)  # fmt: skip
    size = block_items(len(before))
    for start in range(0, len(before), size):
        if one.update(before[start : start + size], after[start : start + size]):
            break
    return one.finish().outcome


def together(part: Part, before: dict[str, Results], after: dict[str, Results], noises: Mapping[str, float]) -> Count:
    """All tasks judged at once, set by set: how often any of them is called dropped."""
    dropped, n = 0, max(map(len, before.values()))
    for i in range(n):
        results = {name: (sets[i], after[name][i]) for name, sets in before.items() if i < len(sets)}
        verdicts = judge_all(
            results,
            margins=dict.fromkeys(results, part.margin),
            alpha=ALPHA,
            chances={name: part.tasks[name].chance for name in results},
            noises=noises,
        )
        dropped += any(verdict.outcome == "dropped" for verdict in verdicts)
    return Count(dropped, n)


def alarms(
    kind: type[FreshItemsAlarm] | type[FixedListAlarm], before: dict[str, Results], after: dict[str, Results]
) -> Count:
    """Runs of several looks at all tasks, and those with an alarm."""
    looks: dict[str, list[Any]] = {}
    for name, sets in before.items():
        looks[name] = [
            pair(one[start : start + LOOK_ITEMS], other[start : start + LOOK_ITEMS]).weighted_for_dropped
            for one, other in _pairs(sets, after[name])
            for start in range(0, len(one), LOOK_ITEMS)
        ]
    alarmed, runs = 0, max(map(len, looks.values())) // LOOKS
    for run in range(runs):
        alarm, raised = kind(list(looks), planned=LOOKS, alpha=ALPHA), False
        for k in range(run * LOOKS, (run + 1) * LOOKS):
            readings = alarm.update({name: of_task[k] for name, of_task in looks.items() if k < len(of_task)})
            raised |= any(reading.alarm for reading in readings.values())
        alarmed += raised
    return Count(alarmed, runs)


def _pairs(before: Results, after: Results) -> Iterator[tuple[list[ItemResult], list[ItemResult]]]:
    return zip(before, after, strict=True)


def _as_one(sets: Results) -> list[ItemResult]:
    """All sets as one; a question that was drawn twice was drawn twice."""
    numbered = ((f"{i}/{result.item_id}", result) for i, results in enumerate(sets) for result in results)
    return [dataclasses.replace(result, item_id=name, group=name) for name, result in numbered]


# The two models


def nano_part(asked: argparse.Namespace) -> Part:
    """Fresh items of the ten abilities."""
    sets, items = asked.sets or (2 if asked.quick else 45), asked.items or (150 if asked.quick else 300)
    tasks = {
        name: build_task(
            name, ProceduralTask(type="procedural", generator=f"nano/{name}", items=max(items, 3000)),
            folder=Path(), seed=0,
        )
        for name in nano.ABILITIES
    }  # fmt: skip
    kinds = [*nano.ABILITIES * 3, *nano.OTHER_KINDS]
    rows, steps = (200, 10) if asked.quick else (1200, 60)
    return Part(
        model=ModelSettings.model_validate(MODEL | {"attention": "sdpa"}),
        tasks=tasks,
        margin=0.02,
        sets=sets,
        items=items,
        dev_items=20 if asked.quick else 200,
        tuning={
            "replay": {"rows": rows, "max_new_tokens": 40, "max_prompt_tokens": 56},
            "training": {"learning_rate": 1e-4, "steps": steps, "batch_rows": 8, "max_length_tokens": 96},
        },
        write_prompts=lambda path: write_records(path, as_records(nano.dialogues(kinds, n=rows, seed=1))),
    )


def smollm2_part(asked: argparse.Namespace) -> Part:
    """Pieces of public sets; two thirds of each are its test part."""
    settings: dict[str, Any] = {
        "common_sense": AnswerProbabilityTask(
            type="answer_probability", files=["commonsenseqa/*.jsonl"], prompt="{question}", choices="choices",
            answer="answer",
        ),
        "knowledge": AnswerProbabilityTask(
            type="answer_probability", files=["mmlu/val/*.csv"], format="csv", columns=["question", *LETTERS, "answer"],
            prompt="{question}", choices=[f"{{{letter}}}" for letter in LETTERS], answer="answer", max_items=900,
        ),
        "maths": AnswerProbabilityTask(
            type="answer_probability", files=["gsm8k/test.jsonl"], prompt="{question}", answer="{answer}", max_items=450
        ),
    }  # fmt: skip
    prompts = json.loads((DATA / "dolly" / "train.json").read_text(encoding="utf-8"))[:200]
    return Part(
        model=ModelSettings(
            path=str(ROOT / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"), dtype="float32", device="cpu",
            attention="sdpa",
        ),
        tasks={name: build_task(name, task, folder=DATA, seed=0) for name, task in settings.items()},
        margin=0.05,
        sets=asked.sets or 8,
        items=asked.items or 100,
        dev_items=100,
        tuning={
            "replay": {"rows": 64, "max_new_tokens": 64, "max_prompt_tokens": 96},
            "training": {"learning_rate": 1e-6, "steps": 8, "batch_rows": 4, "max_length_tokens": 256},
        },
        write_prompts=lambda path: write_records(path, prompts),
    )  # fmt: skip


PARTS = {"nano": nano_part, "smollm2": smollm2_part}


def _sets(task: Task, sets: int, items: int) -> list[tuple[Item, ...]]:
    if task.fresh:
        return [task.items("test", limit=items, seed=70_001 + i) for i in range(sets)]
    # One item of each group, so that items are units of their own in any piece.
    whole = tuple({item.group or item.id: item for item in reversed(task.items("test"))}.values())
    return [whole[start : start + items] for start in range(0, len(whole) - items + 1, items)][:sets]


def _kept(name: str) -> list[dict[str, Any]]:
    path = FOLDER / f"{name}.json"
    if name == "-" or not path.exists():
        return []
    cells: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["figures"]["cells"]
    return cells


def _told(cell: dict[str, Any]) -> tuple[str, str]:
    return cell["part"], cell["way"]


# The tables


def line(cell: dict[str, Any]) -> str:
    """What is printed of a cell when it is done."""
    at_once, in_blocks = _said(cell, "judge", "dropped"), _said(cell, "sequential", "dropped")
    return (
        f"{cell['part']}, {cell['way']}: dropped in {at_once.found} of {at_once.of} verdicts, {in_blocks.found} item "
        f"by item; {_moved(cell)} ({cell['seconds']:.0f} s)"
    )


def tables(cells: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Markdown of what the documentation prints: what was asked and what turned, and what was said of it."""
    ordered = sorted(cells, key=lambda cell: (list(PARTS).index(cell["part"]), list(WAYS).index(cell["way"])))
    yield "| model | asked again | items | right → wrong | wrong → right | largest change, points | noise, points |"
    yield "|---|---|---|---|---|---|---|"
    for cell in ordered:
        tasks = cell["tasks"]
        items, losses, gains = (sum(t.get(key, 0) for t in tasks.values()) for key in ("items", "losses", "gains"))
        noise = 100 * max(t["noise"] for t in tasks.values())
        yield f"| {cell['part']} | {cell['way']} | {items:,} | {losses:,} | {gains:,} | {_moved(cell)} | {noise:.2f} |"
    yield f"\nTimes, and rate with 95 % interval; α = {ALPHA:g} allows {100 * ALPHA:g} % of all but *undecided*.\n"
    yield f"| model | asked again | {' | '.join(SAID)} |"
    yield f"|---|---|{'---|' * len(SAID)}"
    for cell in ordered:
        yield f"| {cell['part']} | {cell['way']} | {' | '.join(_rate(count(cell)) for count in SAID.values())} |"


def _said(cell: dict[str, Any], how: str, word: str) -> Count:
    """Of the verdicts on what the base can do."""
    counts = [Counter(task[how]) for task in cell["tasks"].values()]
    return Count(sum(count[word] for count in counts), sum(count.total() - count["absent"] for count in counts))


SAID: dict[str, Callable[[dict[str, Any]], Count]] = {
    "dropped": lambda cell: _said(cell, "judge", "dropped"),
    "dropped, item by item": lambda cell: _said(cell, "sequential", "dropped"),
    "dropped, any of all together": lambda cell: Count(**cell["together"]),
    "alarm, fresh items": lambda cell: Count(**cell["alarms"]["FreshItemsAlarm"]),
    "alarm, fixed list": lambda cell: Count(**cell["alarms"]["FixedListAlarm"]),
    "undecided": lambda cell: _said(cell, "judge", "undecided"),
    "undecided, item by item": lambda cell: _said(cell, "sequential", "undecided"),
}


def _rate(count: Count) -> str:
    if not count.of:
        return ""
    low, high = (100 * end for end in count.interval)
    return f"{count.found} of {count.of:,}: {100 * count.found / count.of:.1f} % ({low:.1f} to {high:.1f})"


def _moved(cell: dict[str, Any]) -> str:
    """The ability that changed most over all sets, in points."""
    name, task = max(cell["tasks"].items(), key=lambda each: abs(each[1]["change"]["estimate"]))
    change = task["change"]
    # A change that rounds to nothing has no sign.
    estimate, low, high = (round(100 * value, 2) + 0.0 for value in (change["estimate"], *change["interval"]))
    return f"{name} {estimate:+.2f} ({low:+.2f} to {high:+.2f})"


if __name__ == "__main__":
    main()
