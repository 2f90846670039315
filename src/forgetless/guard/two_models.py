"""Two models and where the scores of each are kept: their results on the same items, asked for or looked up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from forgetless.engines import Engine
from forgetless.progress import Progress
from forgetless.records import Item, ItemResult
from forgetless.rundir import ScoreStore
from forgetless.tasks import Task, against, blocks, kept_sheet, measure

Items = Mapping[str, tuple[Item, ...]]
Answers = tuple[Sequence[ItemResult], Sequence[ItemResult]]
"""Results of the base and of the tuned model on the same items."""


@dataclass(frozen=True, slots=True)
class TwoModels:
    """A base and the model that is compared with it.

    Attributes:
        base: The model before.
        tuned: The model after.
        base_scores: Where the base's score sheets are kept between runs.
        scores: Where the tuned model's are kept.
    """

    base: Engine
    tuned: Engine
    base_scores: ScoreStore
    scores: ScoreStore

    def ask(
        self,
        task: Task,
        items: Sequence[Item],
        *,
        within: Sequence[Item] = (),
        progress: tuple[Progress | None, Progress | None] = (None, None),
    ) -> Answers:
        """Both models' results.

        Args:
            task: What is asked.
            items: Items of it.
            within: The list that they are a block of, which may have been measured as a whole.
            progress: Told how far the base is, and how far the tuned model.
        """
        told, told_after = progress
        before = measure(self.base, task, items, store=self.base_scores, within=within, progress=told)
        beside = against(task, before)
        after = measure(self.tuned, beside, items, store=self.scores, within=within, progress=told_after)
        return before.results, after.results

    def ask_base(self, task: Task, items: Sequence[Item]) -> Sequence[ItemResult]:
        """The base's results alone."""
        return measure(self.base, task, items, store=self.base_scores).results

    def asked(self, task: Task, items: Sequence[Item]) -> Answers:
        """What is kept of both models' results: on all of the items, or on the first blocks that were asked."""
        whole = self._kept(task, items)
        if whole is not None:
            return whole
        before: list[ItemResult] = []
        after: list[ItemResult] = []
        for block in blocks(items):
            found = self._kept(task, block, within=items)
            if found is None:
                break
            before += found[0]
            after += found[1]
        return before, after

    def _kept(self, task: Task, items: Sequence[Item], within: Sequence[Item] = ()) -> Answers | None:
        before = kept_sheet(self.base, task, items, store=self.base_scores, within=within)
        if before is None:
            return None
        after = kept_sheet(self.tuned, against(task, before), items, store=self.scores, within=within)
        return None if after is None else (before.results, after.results)
