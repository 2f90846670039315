"""Two finished models and what to ask them in, verdicts out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from forgetless.engines import Engine
from forgetless.examples import pick_examples
from forgetless.guard.capability import Capability
from forgetless.guard.in_turn import judge_in_turn
from forgetless.guard.two_models import Answers, Items, TwoModels
from forgetless.progress import Progresses, unwatched
from forgetless.records import Example, Item, Verdict
from forgetless.rundir import ScoreStore, content_hash
from forgetless.tasks import Task, judgements_in
from forgetless.verdicts import judge_all, judge_domain


class Comparer:
    """Measures two models on the same items and judges the differences.

    Args:
        base: The model before.
        tuned: The model after.
        base_scores: Where the base's score sheets are kept between runs.
        scores: Where the tuned model's are kept.
        alpha: One-sided level of every verdict.
        stop_early: Whether a capability is asked no more items than its verdict takes.
        progress: Told how far the measurements have come.
    """

    def __init__(
        self,
        base: Engine,
        tuned: Engine,
        *,
        base_scores: ScoreStore,
        scores: ScoreStore,
        alpha: float,
        stop_early: bool = False,
        progress: Progresses = unwatched,
    ) -> None:
        self.models = TwoModels(base, tuned, base_scores, scores)
        self.alpha = alpha
        self.stop_early = stop_early
        self.progress = progress

    def judge(
        self,
        capabilities: Sequence[Capability],
        items: Items,
        *,
        discordance: Mapping[str, float] = MappingProxyType({}),
        noises: Mapping[str, float] = MappingProxyType({}),
    ) -> tuple[Verdict, ...]:
        """One verdict for each capability, from all of its items or from as many as it takes.

        Args:
            capabilities: What to judge.
            items: The items of each.
            discordance: Mean squared differences on the dev part, where known.
            noises: How far the base may differ from itself, where measured (rule 6).
        """
        if self.stop_early:
            return judge_in_turn(self.models, capabilities, items, alpha=self.alpha, discordance=discordance,
                                 noises=noises, progress=self.progress, title="both models")  # fmt: skip
        results = {c.name: self._both(c.task, items[c.name]) for c in capabilities}
        sizes = {c.name: c.list_size(results[c.name][0]) for c in capabilities}
        verdicts = judge_all(
            results,
            margins={c.name: c.margin for c in capabilities},
            chances={c.name: c.task.chance for c in capabilities},
            discordances=discordance,
            noises=noises,
            list_sizes={name: size for name, size in sizes.items() if size is not None},
            alpha=self.alpha,
        )
        return tuple(replace(v, judgements=judgements_in(results[v.capability][1])) for v in verdicts)

    def judge_domain(self, domain: Task, items: Sequence[Item]) -> Verdict:
        """Has the domain gained?"""
        before, after = self._both(domain, items)
        return replace(judge_domain(before, after, alpha=self.alpha), judgements=judgements_in(after))

    def examples(self, tasks: Mapping[str, Task], items: Items) -> list[Example]:
        """Answers before and after of what was asked, for every task whose answers are text; nothing is asked."""
        found = (pick_examples(name, items[name], *self.models.asked(t, items[name])) for name, t in tasks.items())
        return [example for of_task in found for example in of_task]

    def _both(self, task: Task, items: Sequence[Item]) -> Answers:
        return self.models.ask(
            task,
            items,
            progress=(self.progress(f"base model: {task.name}"), self.progress(f"tuned model: {task.name}")),
        )


def draw_test_items(
    tasks: Mapping[str, Task], *, limit: int | None, seed: int, fresh_seeds: Mapping[str, int]
) -> Items:
    """The items of the test part of each task; fresh ones drawn from seeds of their own."""
    return {name: task.items("test", limit=limit, seed=fresh_seeds.get(name, seed)) for name, task in tasks.items()}


def fresh_seeds(tasks: Mapping[str, Task], *frozen: str) -> dict[str, int]:
    """Seeds of fresh items by task: a hash of everything that was frozen before they are drawn (rule 17)."""
    return {name: int(content_hash(*frozen, task.fingerprint)[:12], 16) for name, task in tasks.items() if task.fresh}
