"""What a number of items can show, before any are asked.

In go items, level and discordance; out come the smallest drop that would be detected, the smallest margin that could be
certified, the items a margin needs, and the drop that training may aim at. A task too small to tell says so here, not
after hours of training.

Normal approximations start each search, and the exact distribution of losses and gains ends it, with the very tests
that will judge. Other scores are judged by betting, which needs two to three times the items, and more where hardly
anything changes. What those change by is not known before: a margin is planned for whole changes, which bets take
longest to see through, and a drop for whole ones and for halves of the same π, whichever is harder to find.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from forgetless.verdicts import betting, binary
from forgetless.verdicts.binary import floor_items

ASSUMED_DISCORDANCE = 0.10
"""Rule 20. π of right-or-wrong scores where none has been measured; whoever uses it says so."""

ASSUMED_SPREAD = 0.01
"""Rule 20. E[d²] of other scores where none has been measured: answers change by a tenth where they change at all."""

Counts = NDArray[np.int64]

POWER = 0.8
"""The chance with which a plan wants to succeed."""

_BETTING_COST = 2.5
"""Items that betting needs for each item of an exact test where there are too many of both to count."""

_LEAST_MARGIN = 1e-6
_EXACT_CELLS = 250_000
_BET_CELLS = 50_000
_TAIL = 1e-7


def assumed_discordance(*, binary: bool) -> float:
    """Rule 20. π of a task whose π nobody has measured."""
    return ASSUMED_DISCORDANCE if binary else ASSUMED_SPREAD


@functools.cache
def detectable_drop(
    n: int,
    discordance: float = ASSUMED_DISCORDANCE,
    alpha: float = 0.05,
    *,
    exact: bool = True,
    noise: float = 0.0,
    margin: float | None = None,
) -> float | None:
    """Rule 18. The least drop that would be called dropped with a chance of .8.

    Args:
        n: Items (of groups, `JudgedPart.bets`).
        discordance: π, the mean of d². A drop larger than π raises it.
        alpha: The level in use, after any sharing out among capabilities.
        exact: Whether scores are right or wrong on single items; others are bet on.
        noise: Rule 6. What the base differs from itself, which a drop must be shown to exceed.
        margin: What the bets are tuned to; by default the drop.

    Returns:
        The drop as a share, or `None` when even losing everything would not show.
    """
    found = functools.partial(
        power_to_detect, n, discordance=discordance, alpha=alpha, exact=exact, noise=noise, margin=margin
    )
    cells = _cells(n, discordance)
    if (cells > _EXACT_CELLS and noise) or (cells > _BET_CELLS and not exact):
        drop = _approximate_drop(n if exact else n / _BETTING_COST, discordance, alpha)
        return None if drop is None or drop + noise > 1 else drop + noise
    start = _approximate_drop(n, discordance, alpha)
    high = min(1.0, 2 * start + noise) if start is not None else 1.0
    while found(high) < POWER:
        if high == 1.0:
            return None
        high = min(1.0, 1.5 * high)
    low = noise
    while high - low > 1e-6 if exact and not noise else high - low > 1e-4 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if found(middle) >= POWER else (middle, high)
    return high


def power_to_detect(
    n: int,
    drop: float,
    discordance: float,
    alpha: float,
    *,
    exact: bool = True,
    noise: float = 0.0,
    margin: float | None = None,
) -> float:
    """Exact chance that a true drop is shown: McNemar's test, beyond noise Tango's as well, or bets.

    Args:
        n: Items.
        drop: What the capability truly dropped, as a share.
        discordance: π; a larger drop raises it.
        alpha: One-sided level.
        exact: Whether losses and gains are counted; otherwise changes are whole or halves, and bet on.
        noise: What the drop must be shown to exceed.
        margin: What the bets are tuned to; by default the drop.
    """
    discordance = max(discordance, drop)
    if discordance == 0:
        return 0.0
    if exact and noise == 0.0:
        discordant = _likely_counts(n, discordance)
        # Fewest losses that reject, for each number of discordant items: one more than the quantile.
        critical = stats.binom.isf(alpha, discordant, 0.5) + 1
        found = stats.binom.sf(critical - 1, discordant, (discordance + drop) / (2 * discordance))
        return float(np.sum(stats.binom.pmf(discordant, n, discordance) * found))
    if exact:
        losses, gains, chance = _trinomial(n, discordance, drop)
        return float(np.sum(chance, where=binary.drops(losses, gains, n, alpha=alpha, noise=noise)))
    tuned = min(margin or max(drop, _LEAST_MARGIN), 1 - _LEAST_MARGIN)
    powers = []
    for size in {1.0, max(0.5, math.sqrt(discordance))}:
        losses, gains, chance = _trinomial(n, max(discordance / size**2, drop / size), drop / size)
        shown = _bets_win(gains, losses, n, mu0=noise, margin=tuned, size=size, discordance=discordance, alpha=alpha)
        powers.append(float(np.sum(chance, where=shown)))
    return min(powers)


@functools.cache
def certifiable_margin(
    n: int,
    discordance: float = ASSUMED_DISCORDANCE,
    alpha: float = 0.05,
    *,
    jointly: int = 1,
    exact: bool = True,
) -> float:
    """Rule 19. The least margin at which a model that lost nothing would be called kept with a chance of .8.

    Args:
        n: Items (of groups, `JudgedPart.bets`).
        discordance: π, the mean of d².
        alpha: One-sided level.
        jointly: C, the capabilities that must all be kept with that chance.
        exact: Whether scores are right or wrong on single items; others are bet on.

    Returns:
        The margin as a share, at most 1.
    """
    target = POWER ** (1 / jointly)
    floor = 1 - alpha ** (1 / n)
    items = n if exact else n / _BETTING_COST
    start = max(_z(alpha, target) * math.sqrt(discordance / items), 1 - alpha ** (1 / items))
    if _cells(n, discordance) > (_EXACT_CELLS if exact else _BET_CELLS):
        return min(start, 1.0)
    low, high = floor, 1.0
    step = min(2 * start, 1.0)
    if power_to_certify(n, step, discordance, alpha, exact=exact) >= target:
        high = step
    while high - low > 1e-4 * high:
        middle = (low + high) / 2
        enough = power_to_certify(n, middle, discordance, alpha, exact=exact) >= target
        low, high = (low, middle) if enough else (middle, high)
    return high


def power_to_certify(
    n: int, margin: float, discordance: float, alpha: float, *, drop: float = 0.0, exact: bool = True
) -> float:
    """Exact chance that a capability is called kept: by Tango's test with the gate, or by bets.

    Args:
        n: Items.
        margin: The most that it may drop.
        discordance: π; a larger drop raises it.
        alpha: One-sided level.
        drop: What the capability truly dropped, as a share.
        exact: Whether losses and gains are counted; otherwise every change is a whole one and is bet on.
    """
    discordance = max(discordance, drop)
    losses, gains, chance = _trinomial(n, discordance, drop)
    if exact:
        kept = binary.keeps(losses, gains, n, margin=margin, alpha=alpha)
    elif margin >= 1.0:
        kept = np.ones(chance.shape, dtype=bool)
    else:
        kept = _bets_win(losses, gains, n, mu0=-margin, margin=margin, discordance=discordance, alpha=alpha)
    return float(np.sum(chance, where=kept))


def smallest_margin_points(
    units: int, discordance: float, alpha: float, *, capabilities: int = 1, exact: bool = True
) -> float | None:
    """Rules 4, 18 and 19. The smallest margin, in points, at which items can tell kept from dropped.

    At this margin a model that lost nothing is certified with a chance of .8, all capabilities together, and a drop as
    large as the margin is found with a chance of .8, Holm's correction paid.

    Args:
        units: Items (or groups).
        discordance: π, the mean of d².
        alpha: One-sided level.
        capabilities: How many are judged together.
        exact: Whether scores are right or wrong on single items; others are bet on.

    Returns:
        Points, rounded up to a tenth, or `None` where no margin below 100 points will do.
    """
    if units < 2:
        return None
    kept = certifiable_margin(units, discordance, alpha, jointly=capabilities, exact=exact)
    found = detectable_drop(units, discordance, alpha / capabilities, exact=exact)
    points = 100.0 if found is None else math.ceil(round(1000 * max(kept, found), 6)) / 10
    return points if points < 100.0 else None


def items_to_certify(
    margin: float,
    discordance: float = ASSUMED_DISCORDANCE,
    alpha: float = 0.05,
    *,
    jointly: int = 1,
    exact: bool = True,
) -> int:
    """The items on the test part that `margin` needs, if nothing was lost: `certifiable_margin` read the other way.

    The exact power is a saw-tooth in n; the answer lies on one of its teeth, within about 2 % of the least.
    """
    target = POWER ** (1 / jointly)
    approximate = _z(alpha, target) ** 2 * discordance / margin**2
    floor = floor_items(margin, alpha)
    approximate *= 1 if exact else _BETTING_COST
    if _cells(int(approximate), discordance) > (_EXACT_CELLS if exact else _BET_CELLS):
        return math.ceil(max(approximate, floor))
    low, high = floor - 1, max(floor, math.ceil(2 * approximate))
    while power_to_certify(high, margin, discordance, alpha, exact=exact) < target:
        high *= 2
    while high - low > 1:
        middle = (low + high) // 2
        enough = power_to_certify(middle, margin, discordance, alpha, exact=exact) >= target
        low, high = (low, middle) if enough else (middle, high)
    return high


def training_budget(
    margin: float,
    n_test: int,
    discordance: float = ASSUMED_DISCORDANCE,
    alpha: float = 0.05,
    *,
    jointly: int = 1,
    exact: bool = True,
) -> float:
    """Rule 15. The drop that training may aim at: max(0, m − (z_{1−α} + z_{.8^(1/C)})·√(π/n)).

    Aiming at the margin itself ends undecided. Where the budget is 0 the test part is too small for the margin. Where
    scores are bet on (`exact` is false) it is what the margin has beyond the least that could be certified.
    """
    if not exact:
        return max(0.0, margin - certifiable_margin(n_test, discordance, alpha, jointly=jointly, exact=False))
    error = _z(alpha, POWER ** (1 / jointly)) * math.sqrt(discordance / n_test)
    return max(0.0, margin - error)


def _z(alpha: float, power: float) -> float:
    return float(stats.norm.isf(alpha) + stats.norm.ppf(power))


def _approximate_drop(n: float, discordance: float, alpha: float) -> float | None:
    """Fixed point of δ = (z_{1−α}√π + z_.8 √(π − δ²))/√n, with π raised to δ where δ exceeds it."""
    z_level, z_power = float(stats.norm.isf(alpha)), float(stats.norm.ppf(POWER))
    low, high = 0.0, 1.0

    def enough(drop: float) -> bool:
        pi = max(discordance, drop)
        return drop * math.sqrt(n) >= z_level * math.sqrt(pi) + z_power * math.sqrt(max(pi - drop**2, 0.0))

    if not enough(high):
        return None
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _trinomial(n: int, discordance: float, drop: float) -> tuple[Counts, Counts, NDArray[np.float64]]:
    """The likely numbers of losses, shape (losses, 1), and of gains, (1, gains), and the chance of each pair."""
    loss, gain = (discordance + drop) / 2, (discordance - drop) / 2
    losses, gains = _likely_counts(n, loss)[:, None], _likely_counts(n, gain)[None, :]
    rest = n - losses - gains
    possible = rest >= 0
    rest = np.maximum(rest, 0)
    log_chance = (
        special.gammaln(n + 1)
        - special.gammaln(losses + 1)
        - special.gammaln(gains + 1)
        - special.gammaln(rest + 1)
        + special.xlogy(losses, loss)
        + special.xlogy(gains, gain)
        + special.xlogy(rest, 1 - discordance)
    )
    return losses, gains, np.where(possible, np.exp(log_chance), 0.0)


def _bets_win(
    losses: Counts,
    gains: Counts,
    n: int,
    *,
    mu0: float,
    margin: float,
    discordance: float,
    alpha: float,
    size: float = 1.0,
) -> NDArray[np.bool_]:
    """Whether bets against a mean of at most `mu0` win in the end, told π or not, where answers change by `size`."""
    counts = np.stack(np.broadcast_arrays(np.maximum(n - losses - gains, 0), losses, gains), axis=-1)
    kinds = size * np.array([0.0, -1.0, 1.0])
    told, untold = (
        betting.log_wealth(counts, kinds, betting.bets_for(margin, known), mu0=mu0) for known in (discordance, None)
    )
    won: NDArray[np.bool_] = np.minimum(told, untold) >= -math.log(alpha)
    return won


def _likely_counts(n: int, chance: float) -> NDArray[np.int64]:
    """The counts of Bin(n, chance) outside of which next to nothing happens."""
    if chance <= 0:
        return np.zeros(1, dtype=np.int64)
    return np.arange(stats.binom.ppf(_TAIL, n, chance), stats.binom.isf(_TAIL, n, chance) + 1).astype(np.int64)


def _cells(n: int, discordance: float) -> float:
    """Size of the grid of likely (losses, gains)."""
    return (10.4 * math.sqrt(n * discordance / 2)) ** 2 + 1
