"""Bets against a hypothesis about a mean: wealth, tests and bounds for any bounded score.

In go paired differences in [−1, 1] (one for each item, or for each group of items with a weight); out come the wealth
of a bettor who doubts that their mean is at most `mu0`, the p-value this wealth stands for, and bounds of the mean.
Under the hypothesis the wealth is a non-negative supermartingale, so it exceeds 1/α at *any* time with probability
at most α (Ville's inequality): the same test may be read after each item, and assumes nothing but the range.

Rule 7. The wealth is Π (1 − u + u(1 + d)/(1 + μ0)) averaged over constant bets u in (0, 1]. It falls in μ0, so
one root search inverts the test exactly. Source of the family: Waudby-Smith and Ramdas, "Estimating means of bounded
random variables by betting" (arXiv 2010.09686); mixed constant bets beat their plug-in ones on sparse data.

Rule 10. Scores that are not right-or-wrong are tested by betting only: normal-theory bounds certify falsely when rare
items fail totally.

Rule 11. On a finite list, asked in random order and without replacement, what is left must make up for what was seen:
the bets are placed against the mean that the hypothesis leaves for the items not asked yet.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize

Floats = NDArray[np.float64]

_RESOLUTION = 1e-10
_LIST_RESOLUTION = 1e-6
_IMPOSSIBLE = 1e-9
_CERTAIN = 1e6
"""Log wealth of a bettor whose opponent's claim has become impossible: more than any level asks for."""


@dataclass(frozen=True, slots=True)
class Bets:
    """Constant bets `sizes` in (0, 1], shape (bets,), and the share of the first stake on each; shares sum to 1."""

    sizes: Floats
    log_shares: Floats


def bets_for(margin: float, discordance: float | None = None) -> Bets:
    """The bets that a test about `margin` places.

    Rule 7. Six sizes run geometrically from min(margin/0.3, ½) to 1. A discordance π (the mean of d², known from the
    dev part) adds the bet m/max(π, m) that is best for it, its half and its double, with four fifths of the
    stake. A wrong π costs items, never validity.

    Args:
        margin: The drop that the test is about, as a share (0.02 is 2 points), in (0, 1).
        discordance: Mean of d² on items other than the tested ones, or `None` when it is not known.
    """
    if not 0 < margin < 1:
        raise ValueError(f"margin must lie in (0, 1), got {margin}")
    spread = np.geomspace(min(margin / 0.3, 0.5), 1.0, 6)
    if discordance is None:
        return Bets(spread, np.full(6, -math.log(6)))
    informed = margin / max(discordance, margin) * np.array([0.5, 1.0, 2.0])
    shares = np.concatenate([[0.2, 0.4, 0.2], np.full(6, 0.2 / 6)])
    return Bets(np.concatenate([np.minimum(informed, 1.0), spread]), np.log(shares))


class BettingTest:
    """A running test of "the mean is at most `mu0`", rejected once the wealth reaches 1/`alpha`.

    Groups of unequal size enter with weights in (0, 1] (their size over the largest size): the bet on a group is scaled
    by its weight, which makes the hypothesis one about the item-weighted mean.

    Rule 11. With `list_size` the hypothesis is about the mean of a list of so many single items, which come in random
    order and each once.
    """

    def __init__(
        self,
        mu0: float,
        *,
        alpha: float,
        margin: float,
        discordance: float | None = None,
        list_size: int | None = None,
    ) -> None:
        self.mu0 = mu0
        self.list_size = list_size
        self._seen = 0
        self._sum = 0.0
        self.log_threshold = -math.log(alpha)
        self._bets = bets_for(margin, discordance)
        self._log_stakes = self._bets.log_shares
        self._log_largest = 0.0

    def path(self, differences: Floats, weights: Floats | None = None) -> Floats:
        """Log wealth after each further difference, shape (..., n) like `differences`, without placing the bets.

        Leading axes are separate futures of one test: a simulation follows many at once.
        """
        return _log_sum(self._stakes_along(differences, weights))

    def update(self, differences: Floats, weights: Floats | None = None) -> None:
        """Places the bets on further differences, shape (n,), in the order given."""
        stakes = self._stakes_along(differences, weights)
        if stakes.shape[0] == 0:
            return
        self._seen += len(differences)
        self._sum += float(differences.sum())
        self._log_stakes = stakes[-1]
        self._log_largest = max(self._log_largest, float(_log_sum(stakes).max()))

    @property
    def log_wealth(self) -> float:
        """Natural logarithm of the wealth now; the first stake is 1."""
        return float(_log_sum(self._log_stakes))

    @property
    def p_value(self) -> float:
        """One over the largest wealth so far: a p-value that is valid whenever it is read."""
        return math.exp(-self._log_largest)

    @property
    def rejected(self) -> bool:
        """Whether the wealth has ever reached 1/`alpha`."""
        return self._log_largest >= self.log_threshold

    def _stakes_along(self, differences: Floats, weights: Floats | None) -> Floats:
        if self.list_size is not None:
            return self._stakes_along_list(differences, self.list_size)
        if self.mu0 <= -1.0:
            return np.broadcast_to(self._log_stakes, (*differences.shape, len(self._bets.sizes)))
        growth = _log_growth(self._bets, differences, weights, self.mu0)
        return self._log_stakes + np.cumsum(growth, axis=-2)

    def _stakes_along_list(self, differences: Floats, size: int) -> Floats:
        """Rule 11. Impossible is a hypothesis only once the items left would have to lie *strictly* below −1.

        At just −1 they may still be what it says, so no bet is placed there; taking that for impossible rejects falsely
        in 15 % of cases.
        """
        sums = self._sum + np.cumsum(differences, axis=-1)
        left = size - self._seen - np.arange(1, differences.shape[-1] + 1)
        owed = size * self.mu0 - sums
        means = (owed + differences) / (left + 1)
        open_to_bets = means > -1.0 + _IMPOSSIBLE
        growth = _log_growth(self._bets, differences, None, np.where(open_to_bets, means, 0.0))
        stakes: Floats = self._log_stakes + np.cumsum(np.where(open_to_bets[..., None], growth, 0.0), axis=-2)
        impossible = np.logical_or.accumulate(owed + left < -_IMPOSSIBLE, axis=-1)
        return np.where(impossible[..., None], _CERTAIN, stakes)


def log_wealth(counts: ArrayLike, kinds: Floats, bets: Bets, *, mu0: float, weights: Floats | None = None) -> Floats:
    """Log wealth of bets against "the mean is at most `mu0`" from how often each kind of difference came up.

    The order of the differences does not matter, so their counts are all there is to know.

    Args:
        counts: Shape (..., kinds).
        kinds: The different differences, shape (kinds,), in [−1, 1].
        bets: As `bets_for` gives them.
        mu0: In (−1, 1).
        weights: Shape (kinds,), in (0, 1]; `None` weighs all alike.

    Returns:
        Shape (...).
    """
    counts = np.asarray(counts, dtype=np.float64)
    growth = _log_growth(bets, kinds, weights, mu0)
    # A kind that never came up must not lose everything: 0 times minus infinity is not a number.
    ruinous = np.isneginf(growth)
    stakes = bets.log_shares + counts @ np.where(ruinous, 0.0, growth)
    return _log_sum(np.where(counts @ ruinous.astype(np.float64) > 0, -np.inf, stakes))


def lower_bound(
    differences: Floats,
    *,
    alpha: float,
    margin: float,
    discordance: float | None = None,
    weights: Floats | None = None,
) -> float:
    """One-sided (1 − `alpha`) lower bound of the mean difference: the largest mean that the wealth still rejects.

    It does not depend on the order of the differences, and it stays valid when the number of items was itself
    decided by looking at them. Equal (difference, weight) pairs are counted once, so binary scores are fast at any n.

    Args:
        differences: Shape (n,), in [−1, 1].
        alpha: Chance of lying above the true mean.
        margin: The drop to which the bets are tuned.
        discordance: See `bets_for`.
        weights: Shape (n,), in (0, 1]; `None` weighs all alike.
    """
    if len(differences) == 0:
        return -1.0
    bets = bets_for(margin, discordance)
    weights = np.ones(len(differences)) if weights is None else weights
    kinds, counts = np.unique(np.column_stack([differences, weights]), axis=0, return_counts=True)

    def excess(mu0: float) -> float:
        return float(log_wealth(counts, kinds[:, 0], bets, mu0=mu0, weights=kinds[:, 1])) + math.log(alpha)

    # By concavity of the logarithm no bet wins at the sample mean, so the bound lies between −1 and the mean.
    low, high = -1.0 + _RESOLUTION, float(np.average(differences, weights=weights))
    if high <= low or excess(low) < 0:
        return -1.0
    return max(-1.0, float(optimize.brentq(excess, low, high, xtol=_RESOLUTION)) - _RESOLUTION)


def upper_bound(
    differences: Floats,
    *,
    alpha: float,
    margin: float,
    discordance: float | None = None,
    weights: Floats | None = None,
) -> float:
    """One-sided (1 − `alpha`) upper bound of the mean difference: `lower_bound` with the two models swapped."""
    mirrored = lower_bound(-differences, alpha=alpha, margin=margin, discordance=discordance, weights=weights)
    return -mirrored


def p_value(
    differences: Floats,
    *,
    margin: float,
    mu0: float = 0.0,
    discordance: float | None = None,
    weights: Floats | None = None,
) -> float:
    """p-value of "the mean is at least `mu0`" against a drop below it, from the wealth after all differences."""
    if len(differences) == 0:
        return 1.0
    bets = bets_for(margin, discordance)
    growth = _log_growth(bets, -differences, weights, -mu0).sum(axis=0)
    return math.exp(-max(0.0, float(_log_sum(bets.log_shares + growth))))


def list_lower_bound(
    differences: Floats, size: int, *, alpha: float, margin: float, discordance: float | None = None
) -> float:
    """Rule 11. One-sided (1 − `alpha`) lower bound of the mean over a list, of which some items have been asked.

    Args:
        differences: Shape (n,), in [−1, 1], in the random order in which they were asked.
        size: Items of the list, at least n.
        alpha: Chance of lying above the list's mean.
        margin: The drop to which the bets are tuned.
        discordance: See `bets_for`.

    Returns:
        The bound; the mean itself where the whole list was asked.
    """
    total = float(differences.sum())
    if len(differences) >= size:
        return total / size

    def rejected(mu0: float) -> bool:
        test = BettingTest(mu0, alpha=alpha, margin=margin, discordance=discordance, list_size=size)
        test.update(differences)
        return test.rejected

    # What was seen bounds the mean from both sides, whatever the other items are.
    left = size - len(differences)
    low, high = (total - left) / size, (total + left) / size
    while high - low > _LIST_RESOLUTION:
        middle = (low + high) / 2
        low, high = (middle, high) if rejected(middle) else (low, middle)
    return low


def _log_growth(bets: Bets, differences: Floats, weights: Floats | None, mu0: float | Floats) -> Floats:
    """Logarithm of what each difference does to each bet, shape (..., bets); −inf where a bet of 1 loses all."""
    advantage = (differences - mu0) / (1.0 + mu0)
    if weights is not None:
        advantage = advantage * weights
    with np.errstate(divide="ignore"):
        growth: Floats = np.log1p(advantage[..., None] * bets.sizes)
    return growth


def _log_sum(log_values: Floats) -> Floats:
    """Logarithm of the sum over the last axis; −inf where everything is lost."""
    peak = log_values.max(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        total: Floats = np.log(np.exp(log_values - peak[..., None]).sum(axis=-1)) + peak
    return np.where(np.isneginf(peak), -np.inf, total)
