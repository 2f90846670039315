"""Which capabilities do the replay prompts cover, and which prompts are it? A measured answer, by likeness of form.

KL on replay rows holds what they exercise and little else, so a capability without replay prompts of its own kind is
at risk and has to be named before training. For each item of a capability we look for the most similar replay prompt,
and compare that likeness with how similar items of the capability are to each other: near 1, the prompts look like
more items of the same kind; near 0, they are something else. The other way round, a prompt is of the kind of the
capability that it is most like.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from forgetless.synthesis.likeness import Shape, best_similarities, shape_of

COVERED_FROM: Final = 0.75
"""Likeness from which a capability counts as covered."""

ALIKE_FROM: Final = 0.5
"""Likeness from which a prompt is of a capability's kind. One prompt, where `COVERED_FROM` is about a median."""

FEWEST_ALIKE: Final = 16
"""Prompts of one kind that can be held apart from the others. Fewer would soon be repeated too often."""

_MOST_ITEMS = 60


@dataclass(frozen=True, slots=True)
class Coverage:
    """How well replay prompts cover one capability.

    `likeness` is the median, over items, of the best similarity to a replay prompt, divided by the same figure for
    other items of the capability; `None` when the items tell nothing about each other.
    """

    capability: str
    likeness: float | None

    @property
    def covered(self) -> bool | None:
        """Whether replay prompts of this capability's own kind are among the given ones; `None` when not known."""
        return None if self.likeness is None else self.likeness >= COVERED_FROM


def measure_coverage(capabilities: Mapping[str, Sequence[str]], prompts: Sequence[str]) -> list[Coverage]:
    """Compare the prompts of capabilities' items with replay prompts.

    Args:
        capabilities: Prompts of the items of each; the first sixty are looked at.
        prompts: Replay prompts.
    """
    replayed = list({shape_of(text) for text in prompts})
    return [Coverage(name, _likeness(items, replayed)) for name, items in capabilities.items()]


def _likeness(items: Sequence[str], replayed: Sequence[Shape]) -> float | None:
    asked, others = _halves(items)
    if not asked or not replayed:
        return None if replayed else 0.0
    among_themselves = _median_best(asked, others)
    if among_themselves == 0.0:
        return None
    return round(min(_median_best(asked, replayed) / among_themselves, 1.0), 3)


def divide_by_kind(capabilities: Mapping[str, Sequence[str]], prompts: Sequence[str]) -> dict[str, list[int]]:
    """Which prompts are of the kind of which capability.

    Args:
        capabilities: Prompts of the items of each; the first sixty are looked at.
        prompts: Replay prompts.

    Returns:
        Numbers of prompts, rising, by capability; each prompt is that of one or of none. A capability with fewer than
        `FEWEST_ALIKE` has none.
    """
    shapes = [shape_of(text) for text in prompts]
    distinct = list(dict.fromkeys(shapes))
    likeness: dict[str, list[float]] = {}
    for name, items in capabilities.items():
        asked, others = _halves(items)
        among_themselves = _median_best(asked, others)
        if among_themselves > 0.0:
            likeness[name] = [best / among_themselves for best in best_similarities(distinct, asked)]
    kinds = {shape: _kind({name: of[i] for name, of in likeness.items()}) for i, shape in enumerate(distinct)}
    found: dict[str, list[int]] = {name: [] for name in likeness}
    for number, shape in enumerate(shapes):
        if (kind := kinds[shape]) is not None:
            found[kind].append(number)
    return {name: numbers for name, numbers in found.items() if len(numbers) >= FEWEST_ALIKE}


def _kind(likeness: Mapping[str, float]) -> str | None:
    closest = max(likeness, key=likeness.__getitem__, default=None)
    return closest if closest is not None and likeness[closest] >= ALIKE_FROM else None


def _halves(items: Sequence[str]) -> tuple[list[Shape], list[Shape]]:
    shapes = [shape_of(text) for text in items[: 2 * _MOST_ITEMS]]
    return shapes[: len(shapes) // 2], shapes[len(shapes) // 2 :]


def _median_best(asked: Sequence[Shape], others: Sequence[Shape]) -> float:
    return statistics.median(best_similarities(asked, others)) if asked else 0.0
