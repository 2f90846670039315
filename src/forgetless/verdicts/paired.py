"""Two models' answers to the same items, turned into differences that a test may use.

In go the item results of base and tuned model; out come aligned arrays with one entry for each statistical unit
(an item, or a group of items that share a passage or template), in the base's order. All that is awkward about real
results ends here: missing answers, ids that do not match, groups.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forgetless.errors import TaskError
from forgetless.records import ItemResult, SubjectEstimate

Floats = NDArray[np.float64]
Counts = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class PairedDifferences:
    """Differences d = tuned − base on the same items, ready for a test.

    Rule 5. Items that the base lacks are left out. A missing tuned answer is the worst case in `for_kept` and the
    best case in `for_dropped`. Rule 12. Arrays have one entry for each group: the mean over its items, with
    weight group size / largest size, so that weighted means are means over items.

    Attributes:
        for_kept: Differences, shape (units,), in [−1, 1], missing tuned answers as the worst case.
        for_dropped: The same with missing answers as the best case.
        base: Shape (units,), the base's mean scores in [0, 1].
        weights: Shape (units,), in (0, 1]; all 1 without groups.
        units: Ids of the groups (of the items, where they stand alone).
        tallies: Shape (units, 5): items of each unit, those without a tuned score, losses, gains, and those that both
            models have wrong.
        sums: Shape (units, 2): the scores of base and tuned model, summed over the items that both answered.
        left_out: Items not judged because the base has no score for them.
        right_or_wrong: Whether every score is 0 or 1.
        alone: Whether every unit is a single item.
    """

    for_kept: Floats
    for_dropped: Floats
    base: Floats
    weights: Floats
    units: tuple[str, ...]
    tallies: NDArray[np.int64]
    sums: Floats
    left_out: int
    right_or_wrong: bool
    alone: bool

    def head(self, n: int) -> PairedDifferences:
        """The first `n` units."""
        return PairedDifferences(
            self.for_kept[:n],
            self.for_dropped[:n],
            self.base[:n],
            self.weights[:n],
            self.units[:n],
            self.tallies[:n],
            self.sums[:n],
            self.left_out,
            self.right_or_wrong,
            self.alone,
        )

    def joined(self, after: PairedDifferences) -> PairedDifferences:
        """These units and then those of `after`, whose groups must be others."""
        return PairedDifferences(
            np.concatenate([self.for_kept, after.for_kept]),
            np.concatenate([self.for_dropped, after.for_dropped]),
            np.concatenate([self.base, after.base]),
            np.concatenate([self.weights, after.weights]),
            self.units + after.units,
            np.concatenate([self.tallies, after.tallies]),
            np.concatenate([self.sums, after.sums]),
            self.left_out + after.left_out,
            self.right_or_wrong and after.right_or_wrong,
            self.alone and after.alone,
        )

    @property
    def binary(self) -> bool:
        """Whether counts of losses and gains are all there is to know."""
        return self.right_or_wrong and self.alone

    @property
    def n(self) -> int:
        """Statistical units: groups where items share one, else items."""
        return len(self.units)

    @property
    def items(self) -> int:
        """Judged items."""
        return int(self.tallies[:, 0].sum())

    @property
    def missing(self) -> int:
        """Judged items that the tuned model has no score for."""
        return int(self.tallies[:, 1].sum())

    @property
    def losses(self) -> int:
        """Items on which the tuned model scores lower."""
        return int(self.tallies[:, 2].sum())

    @property
    def gains(self) -> int:
        """Items on which the tuned model scores higher."""
        return int(self.tallies[:, 3].sum())

    def flips_by_guessing(self, chance: float) -> float:
        """Rule 12. How many losses, and gains, there would be if both models guessed anew where neither knows.

        Of the items that neither knows, a share (1 − c)² is wrong twice and c·(1 − c) flips in either direction, so
        there is c / (1 − c) of a flip in each direction for every item that both have wrong. Models that guess alike
        flip less: it is the most that guessing explains.

        Args:
            chance: Score of guessing c, in [0, 1).
        """
        return float(self.tallies[:, 4].sum()) * chance / (1 - chance)

    @property
    def base_mean(self) -> float | None:
        """Mean base score over the items that both answered; `None` without any."""
        return self._mean(0)

    @property
    def tuned_mean(self) -> float | None:
        """Mean tuned score over the same items."""
        return self._mean(1)

    @property
    def estimate(self) -> float | None:
        """Mean difference over the items that both models answered."""
        if self.base_mean is None or self.tuned_mean is None:
            return None
        return self.tuned_mean - self.base_mean

    @property
    def discordance(self) -> float:
        """π, the mean of d² (weighted over groups): what `discordance` means wherever a test or a plan asks for it."""
        if self.n == 0:
            return 0.0
        return float(np.sum((self.weights * self.for_kept) ** 2) / np.sum(self.weights))

    @property
    def weighted_for_dropped(self) -> Floats:
        """Best-case differences scaled by their weights: their mean is below 0 just when the item-weighted mean is."""
        return self.weights * self.for_dropped

    def worst_counts(self) -> Counts:
        """(losses, gains) with missing tuned answers as wrong; for binary scores."""
        return int(np.sum(self.for_kept < 0)), int(np.sum(self.for_kept > 0))

    def best_counts(self) -> Counts:
        """(losses, gains) with missing tuned answers as right; for binary scores."""
        return int(np.sum(self.for_dropped < 0)), int(np.sum(self.for_dropped > 0))

    def _mean(self, column: int) -> float | None:
        answered = self.items - self.missing
        return float(self.sums[:, column].sum()) / answered if answered else None


def pair(
    base: Sequence[ItemResult],
    tuned: Sequence[ItemResult],
    *,
    largest_group: int | None = None,
    symmetric: bool = False,
) -> PairedDifferences:
    """Aligns two models' results by item id, in the base's order.

    Args:
        base: The base's results; ids must be unique.
        tuned: The tuned model's results, in any order; items that the base lacks are left out.
        largest_group: Size of the largest group of the task, when only a block of it is given.
        symmetric: Treat both models alike: a missing base answer counts as its worst and best case too, instead of
            leaving the item out.

    Raises:
        TaskError: An id occurs twice, a score lies outside [0, 1], or a group is larger than `largest_group`.
    """
    tuned_scores = {item: _score(result) for item, result in _by_id(tuned, "tuned").items()}
    rows = [(result, _score(result), tuned_scores.get(item)) for item, result in _by_id(base, "base").items()]
    if symmetric:
        known = {result.item_id for result in base}
        rows += [(result, None, _score(result)) for result in tuned if result.item_id not in known]
    judged = rows if symmetric else [row for row in rows if row[1] is not None]
    base_low, base_high = _extremes([b for _, b, _ in judged])
    tuned_low, tuned_high = _extremes([t for _, _, t in judged])
    groups, index = _groups([result for result, _, _ in judged])
    sizes = _per_group(np.ones(len(judged)), index, len(groups))
    observed = np.array([b is not None and t is not None for _, b, t in judged], dtype=bool)
    before, after = np.where(observed, base_low, 0.0), np.where(observed, tuned_low, 0.0)
    both_wrong = observed & (before == 0) & (after == 0)
    tallies = (np.ones(len(judged)), ~observed, after < before, after > before, both_wrong)
    scores = np.concatenate([base_low, base_high, tuned_low, tuned_high])
    return PairedDifferences(
        for_kept=_per_group(tuned_low - base_high, index, len(groups)) / sizes,
        for_dropped=_per_group(tuned_high - base_low, index, len(groups)) / sizes,
        base=_per_group(base_low, index, len(groups)) / sizes,
        weights=sizes / _largest(sizes, largest_group),
        units=groups,
        tallies=np.column_stack([_per_group(tally, index, len(groups)) for tally in tallies]).astype(np.int64),
        sums=np.column_stack([_per_group(each, index, len(groups)) for each in (before, after)]),
        left_out=len(rows) - len(judged),
        right_or_wrong=bool(np.all((scores == 0) | (scores == 1))),
        alone=bool(np.all(sizes == 1)) and (largest_group or 1) == 1,
    )


def subject_estimates(base: Sequence[ItemResult], tuned: Sequence[ItemResult]) -> tuple[SubjectEstimate, ...]:
    """Rule 12. Scores by subject or template, by name: a diagnosis beside the verdict, never a test of its own.

    There is nothing to tell apart where all items are of one subject, or of none.
    """
    subjects: dict[str, list[ItemResult]] = {}
    for result in base:
        subjects.setdefault(result.subject, []).append(result)
    if len(subjects) < 2:
        return ()
    after = {result.item_id: result for result in tuned}
    return tuple(
        _subject(subject, of_it, [after[result.item_id] for result in of_it if result.item_id in after])
        for subject, of_it in sorted(subjects.items())
    )


def group_id(result: ItemResult) -> str:
    """The statistical unit of a result: its group, or the item itself where it has none."""
    return result.group or result.item_id


def _subject(subject: str, base: Sequence[ItemResult], tuned: Sequence[ItemResult]) -> SubjectEstimate:
    found = pair(base, tuned)
    answered = found.items - found.missing
    return SubjectEstimate(subject, answered, found.base_mean, found.tuned_mean, found.losses, found.gains)


def _by_id(results: Iterable[ItemResult], whose: str) -> dict[str, ItemResult]:
    found: dict[str, ItemResult] = {}
    for result in results:
        if result.item_id in found:
            raise TaskError(
                field=f"{whose} results",
                value=result.item_id,
                rule="An item may be answered only once; this id occurs twice.",
                way_out="Remove duplicate items from the task, or give them different ids.",
            )
        found[result.item_id] = result
    return found


def _score(result: ItemResult) -> float | None:
    if result.score is None or math.isnan(result.score):
        return None
    if not 0.0 <= result.score <= 1.0:
        raise TaskError(
            field=f"score of item {result.item_id}",
            value=result.score,
            rule="A score lies in [0, 1]; the tests rest on that range.",
            way_out="Rescale the scorer, or return no score where there is none.",
        )
    return float(result.score)


def _extremes(scores: Sequence[float | None]) -> tuple[Floats, Floats]:
    """Scores with the missing ones at 0, and with the missing ones at 1."""
    low = np.array([0.0 if score is None else score for score in scores])
    high = np.array([1.0 if score is None else score for score in scores])
    return low, high


def _groups(results: Sequence[ItemResult]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Group ids in order of first appearance, and the position of each result's group among them."""
    positions: dict[str, int] = {}
    index = [positions.setdefault(group_id(result), len(positions)) for result in results]
    return tuple(positions), np.array(index, dtype=np.int64)


def _per_group(values: NDArray[Any], index: NDArray[np.int64], groups: int) -> Floats:
    sums: Floats = np.bincount(index, weights=values, minlength=groups).astype(np.float64)
    return sums


def _largest(sizes: Floats, announced: int | None) -> float:
    found = float(sizes.max(initial=1.0))
    if announced is not None and found > announced:
        raise TaskError(
            field="largest_group",
            value=announced,
            rule=f"A group has {found:.0f} items: bets on groups are scaled by the largest size, fixed in advance.",
            way_out="Give the size of the task's largest group.",
        )
    return float(announced or found)
