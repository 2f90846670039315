"""Builders of item results, so that a test states its scores and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from forgetless.records import ItemResult


def results(scores: Sequence[float | None], *, groups: Sequence[str] | None = None, start: int = 0) -> list[ItemResult]:
    """One result a score, with ids i0, i1, … from `start` on."""
    names = groups or [""] * len(scores)
    return [
        ItemResult(item_id=f"i{start + i}", score=score, group=group)
        for i, (score, group) in enumerate(zip(scores, names, strict=True))
    ]


def counted(losses: int, gains: int, n: int, *, right: int | None = None) -> tuple[list[ItemResult], list[ItemResult]]:
    """Base and tuned results with the given losses and gains; the base is right on `right` of the n items."""
    both = n - losses - gains if right is None else right - losses
    base = [1.0] * losses + [0.0] * gains + [1.0] * both + [0.0] * (n - losses - gains - both)
    tuned = [0.0] * losses + [1.0] * gains + [1.0] * both + [0.0] * (n - losses - gains - both)
    return results(base), results(tuned)
