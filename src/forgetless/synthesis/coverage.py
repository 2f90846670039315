"""Which capabilities do the replay prompts cover? A measured answer, by likeness of form.

KL on replay rows holds what they exercise and little else, so a capability without replay prompts of its own kind is
at risk and has to be named before training. For each item of a capability we look for the most similar replay prompt,
and compare that likeness with how similar items of the capability are to each other: near 1, the prompts look like
more items of the same kind; near 0, they are something else.
"""

from __future__ import annotations

import re
import statistics
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from forgetless.sources import SPACELESS

COVERED_FROM: Final = 0.75
"""Likeness from which a capability counts as covered."""

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


def measure_coverage(capability: str, items: Sequence[str], prompts: Sequence[str]) -> Coverage:
    """Compare the prompts of a capability's items with replay prompts.

    Args:
        capability: Its name.
        items: Prompts of its items; the first sixty are looked at.
        prompts: Replay prompts.
    """
    shapes = [_shingles(text) for text in items[: 2 * _MOST_ITEMS]]
    asked, others = shapes[: len(shapes) // 2], shapes[len(shapes) // 2 :]
    if not asked or not prompts:
        return Coverage(capability, None if prompts else 0.0)
    among_themselves = statistics.median(_best(shape, others) for shape in asked)
    if among_themselves == 0.0:
        return Coverage(capability, None)
    replayed = list({_shingles(text) for text in prompts})
    to_replay = statistics.median(_best(shape, replayed) for shape in asked)
    return Coverage(capability, round(min(to_replay / among_themselves, 1.0), 3))


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
