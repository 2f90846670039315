"""The domain: has it gained, how do two runs compare on it, and how far does a model differ from itself?

In go two sets of results on the same items; out comes a `Verdict` (gained or not gained) or an interval. There is no
margin here: these are the questions whose answer is a difference, not a promise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forgetless.records import ItemResult, Verdict
from forgetless.verdicts.evidence import bounds, chosen_method
from forgetless.verdicts.paired import PairedDifferences, pair, subject_estimates
from forgetless.verdicts.terms import Terms, points

RESOLUTION = 0.02
"""The difference that bets are tuned to where no margin is given; any value is valid, this one suits a few points."""


ROUNDING = 1e-4
"""Rule 6. Differences of one item up to a hundredth of a point are the rounding of a likelihood, and no noise."""

SMALL_MOVE = 0.01
"""Rule 6. Differences of one item up to a point move a likelihood; no answer has turned."""


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """How model `b` differs from model `a` on the same items; `interval` is two-sided at 1 − `alpha`."""

    n: int
    alpha: float
    estimate: float | None
    interval: tuple[float, float]
    losses: int
    gains: int
    missing: int
    method: str


def judge_domain(
    base_results: Sequence[ItemResult],
    tuned_results: Sequence[ItemResult],
    *,
    alpha: float = 0.05,
    capability: str = "domain",
) -> Verdict:
    """Rule 2. The domain is `gained` when the one-sided lower bound of its mean difference lies above 0.

    Missing tuned answers count as wrong for it.
    """
    paired = pair(base_results, tuned_results)
    terms = Terms(capability, RESOLUTION, alpha)
    method = chosen_method(paired, "auto", capability)
    lower, upper = bounds(paired, terms, alpha, by=method) if paired.n >= 2 else (-1.0, 1.0)
    gained = lower > 0
    return Verdict(
        capability=capability,
        outcome="gained" if gained else "not_gained",
        n=paired.n,
        alpha=alpha,
        margin=None,
        base_score=paired.base_mean,
        tuned_score=paired.tuned_mean,
        estimate=paired.estimate,
        lower=lower,
        upper=upper,
        interval=bounds(paired, terms, alpha / 2, by=method) if paired.n >= 2 else (-1.0, 1.0),
        losses=paired.losses,
        gains=paired.gains,
        missing=paired.missing,
        measurable=upper < 0,
        method=method,
        reason=_reason(paired, lower, upper),
        subjects=subject_estimates(base_results, tuned_results),
    )


def compare_paired(a: Sequence[ItemResult], b: Sequence[ItemResult], *, alpha: float = 0.05) -> PairedComparison:
    """Rule 2. Two-sided (1 − `alpha`) interval of the mean of score(b) − score(a).

    A missing answer on either side counts both as its worst and as its best case, so swapping the models mirrors the
    interval.
    """
    paired = pair(a, b, symmetric=True)
    method = chosen_method(paired, "auto", "domain")
    terms = Terms("domain", RESOLUTION, alpha)
    return PairedComparison(
        n=paired.n,
        alpha=alpha,
        estimate=paired.estimate,
        interval=bounds(paired, terms, alpha / 2, by=method) if paired.n >= 2 else (-1.0, 1.0),
        losses=paired.losses,
        gains=paired.gains,
        missing=paired.missing,
        method=method,
    )


def measure_noise(first: Sequence[ItemResult], second: Sequence[ItemResult], *, alpha: float = 0.05) -> float:
    """Rule 6. The noise f of a measurement: how far the base may differ from itself in another batch shape.

    The direction means nothing, so f is the larger, by size, of the two one-sided bounds at `alpha`; only the one on
    the side of the true difference can be too small, so f as a whole is a bound at `alpha`. Where no answer turns and
    every score moves by a point at most, the mean cannot move by more than the largest of these moves, which is then f
    (0 up to `ROUNDING`): a bound that allows for rare flips nobody has seen would be about as wide as the margins that
    the items can certify.

    Args:
        first: Results of the base.
        second: Results of the base on the same items, in another batch shape.
        alpha: Chance that the true difference is larger than f.

    Raises:
        TaskError: Results that cannot be paired.
    """
    paired = pair(first, second, symmetric=True)
    moves = np.abs(np.concatenate([paired.for_kept, paired.for_dropped]))
    largest = float(moves.max(initial=0.0))
    if largest <= SMALL_MOVE:
        return 0.0 if largest <= ROUNDING else largest
    method = chosen_method(paired, "auto", "noise")
    low, high = bounds(paired, Terms("noise", RESOLUTION, alpha), alpha, by=method)
    return max(-low, high)


def _reason(paired: PairedDifferences, lower: float, upper: float) -> str:
    if paired.n < 2:
        return f"needs at least 2 items, has {paired.n}"
    if lower > 0:
        reason = f"gained at least {points(lower)}"
    elif upper < 0:
        reason = f"fell: at best {points(upper)}"
    else:
        reason = f"between {points(lower)} and {points(upper)}: no gain is shown"
    return reason + (
        f"; {paired.missing} of {paired.items} answers missing, counted as wrong" if paired.missing else ""
    )
