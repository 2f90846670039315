"""Paired right-or-wrong scores: exact and score tests from the counts of losses and gains.

In go b losses (right → wrong), c gains (wrong → right) and n items; out come bounds of the mean difference
(c − b)/n and p-values. With binary scores the counts are all there is to know, and these tests need half the items
that betting needs.

Rule 8. Tango's score interval alone lets through too many false certificates when losses are rare and gains
absent (worst size .06 to .07 at nominal .05), so each of its bounds must also pass an exact gate. Source of the
interval: T. Tango, "Equivalence test and confidence interval for the difference in proportions for the paired-sample
design", Statistics in Medicine 17 (1998).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_RESOLUTION = 1e-12


def tango_statistic(losses: ArrayLike, gains: ArrayLike, n: int, mu0: float) -> Floats:
    """Tango's score statistic for "the mean difference is `mu0`"; large when the data lie above it.

    The chance of a loss under the hypothesis is the larger root of a quadratic. Rule 8. It is clamped at the least
    value that `mu0` allows: without gains, rounding would leave it a hair below 0.

    Args:
        losses: b, any shape.
        gains: c, of the same shape.
        n: Items.
        mu0: In [−1, 1].

    Returns:
        An array of the shape of the counts; ±inf where the hypothesis is impossible, 0 where nothing speaks.
    """
    b, c = np.asarray(losses, dtype=np.float64), np.asarray(gains, dtype=np.float64)
    linear = -c - b + (2 * n - c + b) * mu0
    constant = -b * mu0 * (1 - mu0)
    loss_chance = (np.sqrt(np.maximum(linear**2 - 8 * n * constant, 0.0)) - linear) / (4 * n)
    loss_chance = np.maximum(loss_chance, max(0.0, -mu0))
    variance = n * (2 * loss_chance + mu0 * (1 - mu0))
    excess = c - b - n * mu0
    impossible = np.where(np.abs(excess) > 1e-9, np.copysign(np.inf, excess), 0.0)
    statistic: Floats = np.where(variance > 1e-12, excess / np.sqrt(np.maximum(variance, 1e-12)), impossible)
    return statistic


def lower_bound(losses: int, gains: int, n: int, *, alpha: float) -> float:
    """One-sided (1 − `alpha`) lower bound of the mean difference: Tango's, held back by the gate.

    Rule 8. Above −m it passes both Tango's test at m and the gate BinCDF(max(b − c, 0); n, m) ≤ α, since the gate is
    the Clopper-Pearson bound of the net losses read backwards. Rule 4. Without net losses the gate gives −(1 − α^(1/n))
    and nothing better. Above 0 (the domain has gained) it needs the exact McNemar test and the mirrored gate instead.
    """
    score = _tango_lower(losses, gains, n, alpha)
    if score > 0 and mcnemar_p(gains, losses) <= alpha:
        net = gains - losses
        return min(score, float(special.betaincinv(net, n - net + 1, alpha)))
    return min(score, -net_loss_bound(losses - gains, n, alpha=alpha))


def upper_bound(losses: int, gains: int, n: int, *, alpha: float) -> float:
    """One-sided (1 − `alpha`) upper bound of the mean difference: `lower_bound` with the two models swapped."""
    return -lower_bound(gains, losses, n, alpha=alpha)


def net_loss_bound(net_losses: int, n: int, *, alpha: float) -> float:
    """Largest margin that the gate of rule 8 still refuses: the Clopper-Pearson upper bound of b − c of n."""
    net = max(net_losses, 0)
    return 1.0 if net >= n else float(special.betaincinv(net + 1, n - net, 1 - alpha))


def keeps(losses: ArrayLike, gains: ArrayLike, n: int, *, margin: float, alpha: float) -> Bools:
    """Whether each (b, c) shows non-inferiority at `margin`: Tango's test and the gate of rule 8, any shape."""
    b, c = np.asarray(losses), np.asarray(gains)
    score = tango_statistic(b, c, n, -margin) > -special.ndtri(alpha)
    gate = special.bdtr(np.maximum(b - c, 0), n, margin) < alpha
    passes: Bools = score & gate
    return passes


def mcnemar_p(losses: int, gains: int) -> float:
    """Rule 9. Exact one-sided McNemar p-value P(Bin(b + c, ½) ≥ b) of "no drop"; 1 when b + c = 0."""
    # The binomial tail as an incomplete beta function.
    return float(special.betainc(losses, gains + 1, 0.5)) if losses else 1.0


def drop_p_value(losses: int, gains: int, n: int, *, noise: float = 0.0) -> float:
    """p-value of "the mean difference is at least −`noise`": the least α at which the upper bound lies below it.

    Rule 9 without noise: the exact McNemar p-value (Tango's at 0 is smaller except in the far tail). Rule 6 with
    noise: Tango's test and the mirrored gate must hold at −`noise` as well.
    """
    score = float(special.ndtr(-tango_statistic(gains, losses, n, noise)))
    net = losses - gains
    gate = float(special.betainc(net, n - net + 1, noise)) if net > 0 else 1.0
    return max(mcnemar_p(losses, gains), score, gate)


def drops(losses: ArrayLike, gains: ArrayLike, n: int, *, alpha: float, noise: float = 0.0) -> Bools:
    """Whether each (b, c) shows a drop beyond `noise`: `drop_p_value` at most `alpha`, any shape."""
    b, c = np.broadcast_arrays(np.asarray(losses), np.asarray(gains))
    score = special.ndtr(-tango_statistic(c, b, n, noise)) <= alpha
    net = np.maximum(b - c, 1)
    gate = (b > c) & (special.betainc(net, n - net + 1, noise) <= alpha)
    mcnemar = (b > 0) & (special.betainc(np.maximum(b, 1), c + 1, 0.5) <= alpha)
    shown: Bools = score & gate & mcnemar
    return shown


def floor_items(margin: float, alpha: float) -> int:
    """Rule 4. Fewest items that could certify `margin` at all: ⌈ln α / ln(1 − m)⌉, at which no loss at all would do."""
    return math.ceil(math.log(alpha) / math.log1p(-margin))


def _tango_lower(losses: int, gains: int, n: int, alpha: float) -> float:
    """Where Tango's statistic, which falls in mu0, equals z: between −1 and the estimate."""
    z = float(-special.ndtri(alpha))

    def excess(mu0: float) -> float:
        return float(tango_statistic(losses, gains, n, mu0)) - z

    low, high = -1.0 + _RESOLUTION, (gains - losses) / n
    if high <= low or excess(low) < 0:
        return -1.0
    return float(optimize.brentq(excess, low, high, xtol=_RESOLUTION)) - _RESOLUTION
