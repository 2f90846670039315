"""Which capabilities do the replay prompts cover, and which prompts are it? A measured answer, by likeness of form.

KL on replay rows holds what they exercise and little else, so a capability without replay prompts of its own kind is
at risk and has to be named before training. For each item of a capability we look for the most similar replay prompt,
and compare that likeness with how similar items of the capability are to each other: near 1, the prompts look like
more items of the same kind; near 0, they are something else. The other way round, a prompt is of the kind of the
capability that it is most like.
"""

from __future__ import annotations

import re
import statistics
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from forgetless.sources import SPACELESS

COVERED_FROM: Final = 0.75
"""Likeness from which a capability counts as covered."""

ALIKE_FROM: Final = 0.5
"""Likeness from which a prompt is of a capability's kind. One prompt, where `COVERED_FROM` is about a median."""

FEWEST_ALIKE: Final = 16
"""Prompts of one kind that can be held apart from the others. Fewer would soon be repeated too often."""

_MOST_ITEMS = 60
_SHINGLE = 4
_SHINGLE_OF_IDEOGRAPHS = 2
_SPACELESS = re.compile(f"[{SPACELESS}]")


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
    replayed = list({_shingles(text) for text in prompts})
    return [Coverage(name, _likeness(items, replayed)) for name, items in capabilities.items()]


def _likeness(items: Sequence[str], replayed: Sequence[frozenset[str]]) -> float | None:
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
    known: dict[str, tuple[list[frozenset[str]], float]] = {}
    for name, items in capabilities.items():
        asked, others = _halves(items)
        among_themselves = _median_best(asked, others)
        if among_themselves > 0.0:
            known[name] = (asked, among_themselves)
    kind_of: dict[frozenset[str], str | None] = {}
    found: dict[str, list[int]] = {name: [] for name in known}
    for number, text in enumerate(prompts):
        shape = _shingles(text)
        if shape not in kind_of:
            kind_of[shape] = _kind(shape, known)
        kind = kind_of[shape]
        if kind is not None:
            found[kind].append(number)
    return {name: numbers for name, numbers in found.items() if len(numbers) >= FEWEST_ALIKE}


def _kind(shape: frozenset[str], known: Mapping[str, tuple[list[frozenset[str]], float]]) -> str | None:
    likeness = {name: _best(shape, asked) / among for name, (asked, among) in known.items()}
    closest = max(likeness, key=likeness.__getitem__, default=None)
    return closest if closest is not None and likeness[closest] >= ALIKE_FROM else None


def _halves(items: Sequence[str]) -> tuple[list[frozenset[str]], list[frozenset[str]]]:
    shapes = [_shingles(text) for text in items[: 2 * _MOST_ITEMS]]
    return shapes[: len(shapes) // 2], shapes[len(shapes) // 2 :]


def _median_best(asked: Sequence[frozenset[str]], others: Sequence[frozenset[str]]) -> float:
    return statistics.median(_best(shape, others) for shape in asked) if asked else 0.0


def _shingles(text: str) -> frozenset[str]:
    """Pieces of the text with digits and lone letters masked, so that form counts and not content.

    A piece has four characters, or two where it begins with an ideograph or kana: these carry about as much, and of
    Chinese questions hardly two share four characters in a row.
    """
    text = unicodedata.normalize("NFKC", text).casefold()
    text = re.sub(r"\d", "0", text)
    text = re.sub(r"\b[a-z]\b", "x", text)
    text = f"  {' '.join(text.split())}  "
    return frozenset(text[i : i + _length_at(text, i)] for i in range(len(text) - _SHINGLE + 1))


def _length_at(text: str, position: int) -> int:
    return _SHINGLE_OF_IDEOGRAPHS if _SPACELESS.match(text, position) else _SHINGLE


def _best(shape: frozenset[str], others: Sequence[frozenset[str]]) -> float:
    return max((len(shape & other) / len(shape | other) for other in others), default=0.0)
