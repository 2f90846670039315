"""The multiplier of one constraint, moved by what a look says of it.

In: a multiplier and a measured drop with its standard error. Out: the multiplier that holds until the next look. All
multipliers are relative to the recipe's `kl_weight`: 1 is λ as the recipe has it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

LEAST: Final = 1 / 4
"""The least multiplier: an ability that loses nothing is still held, for the next thousand steps may be others."""

MOST: Final = 16.0
"""The largest multiplier. Where it is not enough, more of it would only stop the domain from being learnt."""

MOST_BRAKE: Final = 2.0
"""What checks between two looks may add at most: they see an ability's likelihoods, and not its score."""

_RATE: Final = 1.0
_NOISE_ERRORS: Final = 1.0
_KEPT_DISTANCE: Final = 0.8
_AT_HOME: Final = 0.02
_BRAKE_RATE: Final = math.log(2.0)
_BRAKE_KEPT: Final = 0.5


@dataclass(frozen=True, slots=True)
class Slack:
    """What a look says of one constraint; all on the scale of the scores (0.02 is two points).

    Attributes:
        drop: Mean score of the base less that of the model.
        error: Its standard error, above 0.
        margin: The most that the score may drop.
        budget: The drop to aim at, between 0 and the margin (rule 15).
    """

    drop: float
    error: float
    margin: float
    budget: float

    @property
    def pressure(self) -> float:
        """How far the drop lies beyond the budget (above 0) or within it (below 0), in [−1, 1].

        Whatever one standard error explains is 0. What is left counts in margins; or in standard errors, where these
        are larger and a margin is nothing that the look could have seen.
        """
        excess = self.drop - self.budget
        beyond = max(0.0, abs(excess) - _NOISE_ERRORS * self.error) / max(self.margin, self.error)
        return math.copysign(min(1.0, beyond), excess)


def due(pressure: float, done: float) -> float:
    """What of a pressure counts so far: where something fell, the part of the run that is done.

    The constraint is on the model at the end. At the learning rates of the beginning abilities fall that come back by
    themselves as the rate goes down, and to press against all of such a fall costs the domain what nothing needed.

    Args:
        pressure: g, in [−1, 1].
        done: Steps done by steps of the whole run, in [0, 1].

    Returns:
        A pressure of the same sign, no larger.
    """
    return pressure * done if pressure > 0.0 else pressure


def moved(multiplier: float, pressure: float) -> float:
    """The multiplier after a look: λ ← clip(λ · exp(η · g)), with a way back to 1.

    Without pressure a fifth of the distance to 1 is taken back at every look, as distances of logarithms go. Under
    pressure nothing is taken back from what earlier pressure has added.

    Args:
        multiplier: Before the look, in [`LEAST`, `MOST`].
        pressure: g, in [−1, 1].

    Returns:
        A multiplier in [`LEAST`, `MOST`], that never falls as the pressure rises.
    """
    distance = math.log(multiplier)
    if pressure <= 0.0 or distance < 0.0:
        distance *= _KEPT_DISTANCE
    distance += _RATE * pressure
    if pressure == 0.0 and abs(distance) < _AT_HOME:
        return 1.0
    return min(MOST, max(LEAST, math.exp(distance)))


def braked(brake: float, pressure: float) -> float:
    """The factor upon the multiplier until the next check: up to twice as much under pressure, else half way back to 1.

    Args:
        brake: Before the check, in [1, `MOST_BRAKE`].
        pressure: g, in [−1, 1].

    Returns:
        A factor in [1, `MOST_BRAKE`], that never falls as the pressure rises.
    """
    distance = math.log(brake)
    distance = distance + _BRAKE_RATE * pressure if pressure > 0.0 else distance * _BRAKE_KEPT
    return 1.0 if distance < _AT_HOME else min(MOST_BRAKE, math.exp(distance))
