"""Two finished models and what to ask them in, verdicts out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from forgetless.engines import Engine
from forgetless.examples import pick_examples
from forgetless.guard.capability import Capability
from forgetless.progress import Progresses, unwatched
from forgetless.records import Example, Item, ItemResult, Verdict
from forgetless.rundir import ScoreStore, content_hash
from forgetless.tasks import Task, against, judgements_in, measure
from forgetless.verdicts import judge_all, judge_domain

Items = Mapping[str, tuple[Item, ...]]


class Comparer:
    """Measures two models on the same items and judges the differences.

    Args:
        base: The model before.
        tuned: The model after.
        base_scores: Where the base's score sheets are kept between runs.
        scores: Where the tuned model's are kept.
        alpha: One-sided level of every verdict.
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
        progress: Progresses = unwatched,
    ) -> None:
        self.base = base
        self.tuned = tuned
        self.base_scores = base_scores
        self.scores = scores
        self.alpha = alpha
        self.progress = progress

    def judge(
        self,
        capabilities: Sequence[Capability],
        items: Items,
        *,
        discordance: Mapping[str, float] = MappingProxyType({}),
        noises: Mapping[str, float] = MappingProxyType({}),
    ) -> tuple[Verdict, ...]:
        """One verdict for each capability, from all of its items.

        Args:
            capabilities: What to judge.
            items: The items of each.
            discordance: Mean squared differences on the dev part, where known.
            noises: How far the base may differ from itself, where measured (rule 6).
        """
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
        """Answers before and after, from scores that are kept already, for every task whose answers are text."""
        found = (pick_examples(name, items[name], *self._both(task, items[name])) for name, task in tasks.items())
        return [example for of_task in found for example in of_task]

    def _both(self, task: Task, items: Sequence[Item]) -> tuple[tuple[ItemResult, ...], tuple[ItemResult, ...]]:
        told, told_after = (self.progress(f"{which} model: {task.name}") for which in ("base", "tuned"))
        before = measure(self.base, task, items, store=self.base_scores, progress=told)
        after = measure(self.tuned, against(task, before), items, store=self.scores, progress=told_after)
        return before.results, after.results


def draw_test_items(
    tasks: Mapping[str, Task], *, limit: int | None, seed: int, fresh_seeds: Mapping[str, int]
) -> Items:
    """The items of the test part of each task; fresh ones drawn from seeds of their own."""
    return {name: task.items("test", limit=limit, seed=fresh_seeds.get(name, seed)) for name, task in tasks.items()}


def fresh_seeds(tasks: Mapping[str, Task], *frozen: str) -> dict[str, int]:
    """Seeds of fresh items by task: a hash of everything that was frozen before they are drawn (rule 17)."""
    return {name: int(content_hash(*frozen, task.fingerprint)[:12], 16) for name, task in tasks.items() if task.fresh}
