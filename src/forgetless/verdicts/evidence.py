"""What the items say about one capability, before any outcome is named.

In go paired differences and the terms; out come the bounds, the p-value of a drop and whether the base had the ability
at all. Right-or-wrong scores on single items use the exact counts (`binary`), everything else bets (`betting`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from scipy import special

from forgetless.errors import TaskError
from forgetless.verdicts import betting, binary
from forgetless.verdicts.paired import PairedDifferences
from forgetless.verdicts.terms import Terms

Method = Literal["auto", "betting", "binary"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Bounds and p-values of one capability.

    Attributes:
        lower: Rule 1. One-sided lower bound of the mean difference at α, missing answers as the worst case.
        upper: One-sided upper bound at α, missing answers as the best case.
        interval: The displayed (1 − α) interval, α/2 a side.
        drop_p: p-value of "no drop beyond the noise".
        present: Rule 12b. Whether the base is shown to score above chance by more than the margin.
        method: How it was computed, for the record.
    """

    lower: float
    upper: float
    interval: tuple[float, float]
    drop_p: float
    present: bool
    method: str


def weigh(paired: PairedDifferences, terms: Terms, *, method: Method = "auto") -> Evidence:
    """Evidence of complete results, with at least one unit.

    Raises:
        TaskError: `method` is "binary" but the scores are not right-or-wrong on single items.
    """
    if chosen_method(paired, method, terms.capability) == "binary":
        return _from_counts(paired, terms)
    return _from_bets(paired, terms)


def chosen_method(paired: PairedDifferences, method: Method, capability: str) -> Literal["betting", "binary"]:
    """The asked method, or for "auto" the one that fits the scores."""
    if method == "binary" and not paired.binary:
        raise TaskError(
            field=f"{capability}.method",
            value=method,
            rule="Counting losses and gains needs scores of 0 or 1 on items that stand alone.",
            way_out="Use `betting`, which holds for any score in [0, 1] and for groups.",
        )
    if method == "auto":
        return "binary" if paired.binary else "betting"
    return method


def bounds(
    paired: PairedDifferences, terms: Terms, alpha: float, *, by: Literal["betting", "binary"]
) -> tuple[float, float]:
    """One-sided lower and upper bound of the mean difference, each at `alpha`."""
    if by == "binary":
        lower = binary.lower_bound(*paired.worst_counts(), paired.n, alpha=alpha)
        return lower, binary.upper_bound(*paired.best_counts(), paired.n, alpha=alpha)
    margin, discordance, weights = terms.margin, terms.discordance, paired.weights
    return (
        betting.lower_bound(paired.for_kept, alpha=alpha, margin=margin, discordance=discordance, weights=weights),
        betting.upper_bound(paired.for_dropped, alpha=alpha, margin=margin, discordance=discordance, weights=weights),
    )


def _from_counts(paired: PairedDifferences, terms: Terms) -> Evidence:
    lower, upper = bounds(paired, terms, terms.alpha, by="binary")
    right = int(paired.base.sum())
    # Clopper-Pearson from below: the base's score is a plain proportion here.
    base_lower = float(special.betaincinv(right, paired.n - right + 1, terms.alpha)) if right else 0.0
    return Evidence(
        lower=lower,
        upper=upper,
        interval=bounds(paired, terms, terms.alpha / 2, by="binary"),
        drop_p=binary.drop_p_value(*paired.best_counts(), paired.n, noise=terms.noise),
        present=base_lower > terms.chance + terms.margin,
        method="binary",
    )


def _from_bets(paired: PairedDifferences, terms: Terms) -> Evidence:
    lower, upper = bounds(paired, terms, terms.alpha, by="betting")
    # A score s in [0, 1] is bet on as 2s − 1, so that one bettor serves scores and differences alike.
    base_lower = betting.lower_bound(
        2 * paired.base - 1, alpha=terms.alpha, margin=terms.margin, weights=paired.weights
    )
    return Evidence(
        lower=lower,
        upper=upper,
        interval=bounds(paired, terms, terms.alpha / 2, by="betting"),
        drop_p=betting.p_value(
            paired.for_dropped,
            margin=terms.margin,
            mu0=-terms.noise,
            discordance=terms.discordance,
            weights=paired.weights,
        ),
        present=(1 + base_lower) / 2 > terms.chance + terms.margin,
        method="betting",
    )
