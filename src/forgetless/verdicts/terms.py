"""What is agreed about a capability before anyone looks at its items.

In go the recipe's numbers, out comes a checked record that every judge reads. Whatever could be tuned to the outcome
(margin, level, chance score, noise, assumed discordance) is fixed here.
"""

from __future__ import annotations

from dataclasses import dataclass

from forgetless.errors import TaskError
from forgetless.verdicts.binary import floor_items


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of one verdict; shares are on the scale of the scores (0.02 is 2 points).

    Attributes:
        capability: Its name.
        margin: The most that it may drop, in (0, 1).
        alpha: One-sided chance of each kind of false verdict.
        chance: Score that guessing gets: 1/k for k choices, 0 for generation.
        noise: Rule 6. Upper bound of what batch shape alone changes; a drop must exceed it.
        discordance: Mean of d² expected from the dev part, to size the bets; `None` when not known.
        list_size: Rule 11. Items of the list that the claim is about, those that the base has a score for; `None` where
            it is about the population that the items stand for.

    Raises:
        TaskError: The margin lies outside (0, 1) or within the noise, or another number is out of range.
    """

    capability: str
    margin: float
    alpha: float = 0.05
    chance: float = 0.0
    noise: float = 0.0
    discordance: float | None = None
    list_size: int | None = None

    def __post_init__(self) -> None:
        self._require(0 < self.margin < 1, "margin", self.margin, "A margin lies between 0 and 1 (0.02 is 2 points).")
        self._require(0 < self.alpha < 0.5, "alpha", self.alpha, "A level lies between 0 and 0.5.")
        self._require(0 <= self.chance < 1, "chance", self.chance, "A chance score lies in [0, 1).")
        self._require(self.noise >= 0, "noise", self.noise, "Noise is a size, 0 or more.")
        if self.margin <= self.noise:
            raise TaskError(
                field=f"{self.capability}.margin",
                value=points(self.margin),
                rule=f"The base differs from itself by up to {points(self.noise)} when only the batch shape changes.",
                way_out="Choose a larger margin, measure with more items, or make generation deterministic.",
            )

    @property
    def floor(self) -> int:
        """Rule 4. Fewest items (or groups) that could certify the margin at all.

        Of a list nothing but what is left unasked is uncertain, so its bounds alone say how many it takes.
        """
        return 2 if self.list_size is not None else floor_items(self.margin, self.alpha)

    def _require(self, holds: bool, name: str, value: float, rule: str) -> None:
        if not holds:
            raise TaskError(
                field=f"{self.capability}.{name}", value=value, rule=rule, way_out=f"Change `{name}` in the recipe."
            )


def points(share: float) -> str:
    """A share as text in points: 0.02 is `2 points`."""
    text = f"{100 * share:.2f}".rstrip("0").rstrip(".")
    if text == "-0":
        text = "0"
    return f"{text} point" if text in ("1", "-1") else f"{text} points"
