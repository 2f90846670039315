"""What the items say about one capability, before any outcome is named.

In go paired differences and the terms; out come the bounds, the p-value of a drop and whether the base had the ability
at all. Right-or-wrong scores on single items use the exact counts (`binary`), everything else bets (`betting`); a claim
about a list of items rests on that list (`list`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from forgetless.errors import TaskError
from forgetless.verdicts import betting, binary
from forgetless.verdicts.paired import PairedDifferences
from forgetless.verdicts.terms import Terms

Method = Literal["auto", "betting", "binary"]
Chosen = Literal["betting", "binary", "list"]


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
    if terms.list_size is not None:
        return _from_list(paired, terms, terms.list_size)
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


def bounds(paired: PairedDifferences, terms: Terms, alpha: float, *, by: Chosen) -> tuple[float, float]:
    """One-sided lower and upper bound of the mean difference, each at `alpha`."""
    if by == "list":
        return _list_bounds(paired, terms, alpha)
    if by == "binary":
        lower = binary.lower_bound(*paired.worst_counts(), paired.n, alpha=alpha)
        return lower, binary.upper_bound(*paired.best_counts(), paired.n, alpha=alpha)
    margin, discordance, weights = terms.margin, terms.discordance, paired.weights
    return (
        betting.lower_bound(paired.for_kept, alpha=alpha, margin=margin, discordance=discordance, weights=weights),
        betting.upper_bound(paired.for_dropped, alpha=alpha, margin=margin, discordance=discordance, weights=weights),
    )


def present_by_counts(paired: PairedDifferences, terms: Terms) -> bool:
    """Rule 12b. Clopper-Pearson from below: the base's score is a plain proportion where items are right or wrong."""
    right = int(paired.base.sum())
    base_lower = float(special.betaincinv(right, paired.n - right + 1, terms.alpha)) if right else 0.0
    return base_lower > terms.chance + terms.margin


def _from_counts(paired: PairedDifferences, terms: Terms) -> Evidence:
    lower, upper = bounds(paired, terms, terms.alpha, by="binary")
    return Evidence(
        lower=lower,
        upper=upper,
        interval=bounds(paired, terms, terms.alpha / 2, by="binary"),
        drop_p=binary.drop_p_value(*paired.best_counts(), paired.n, noise=terms.noise),
        present=present_by_counts(paired, terms),
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


def _from_list(paired: PairedDifferences, terms: Terms, size: int) -> Evidence:
    """Rule 11. What is known of a list: all of it once every item was asked, and before that what bets can show.

    Raises:
        TaskError: Items share groups and not all of the list was asked: whole groups come in no random order of items.
    """
    if paired.items < size and not paired.alone:
        raise TaskError(
            field=f"{terms.capability}.target",
            value="list",
            rule=f"Of the list's {size} items {paired.items} were asked, and items that share a group come together.",
            way_out="Ask the whole list (leave `evaluation.test_items` out), or leave `group` out of the task.",
        )
    lower, upper = _list_bounds(paired, terms, terms.alpha)
    base = float(np.average(paired.base, weights=paired.weights))
    if paired.items < size:
        drop = betting.BettingTest(
            terms.noise, alpha=terms.alpha, margin=terms.margin, discordance=terms.discordance, list_size=size
        )
        drop.update(-paired.for_dropped)
        drop_p = drop.p_value
        scaled = betting.list_lower_bound(2 * paired.base - 1, size, alpha=terms.alpha, margin=terms.margin)
        base = (1 + scaled) / 2
    else:
        drop_p = 0.0 if upper < -terms.noise else 1.0
    return Evidence(
        lower=lower,
        upper=upper,
        interval=_list_bounds(paired, terms, terms.alpha / 2),
        drop_p=drop_p,
        present=base > terms.chance + terms.margin,
        method="list",
    )


def _list_bounds(paired: PairedDifferences, terms: Terms, alpha: float) -> tuple[float, float]:
    """Bounds of the mean over the list; with every item asked they differ by the missing answers alone."""
    assert terms.list_size is not None
    if paired.items >= terms.list_size:
        worst, best = (np.average(d, weights=paired.weights) for d in (paired.for_kept, paired.for_dropped))
        return float(worst), float(best)
    size, margin, pi = terms.list_size, terms.margin, terms.discordance
    lower = betting.list_lower_bound(paired.for_kept, size, alpha=alpha, margin=margin, discordance=pi)
    upper = -betting.list_lower_bound(-paired.for_dropped, size, alpha=alpha, margin=margin, discordance=pi)
    return lower, upper
