"""What the prompts leave uncovered, and how prompts of that kind begin.

A hole is a kept capability that no replay prompt is like. The base is led to write prompts of its kind by the way its
dev items begin: a few of the first words, so that the question is the base's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise, takewhile
from typing import Final

from forgetless.sources import SPACELESS
from forgetless.synthesis.coverage import FEWEST_ALIKE, measure_coverage

SHARE_OF_HOLE: Final = 0.05
"""Of all rows, for the prompts that fill one hole."""

SHARE_OF_HOLES: Final = 0.5
"""Of the rows whose prompts the base writes, or of given ones, at most for all holes: the rest stays broad."""

MOST_WORDS: Final = 12
_FEWEST_WORDS = 2
_WORD = re.compile(rf"[{SPACELESS}]|[^\s{SPACELESS}]+")


@dataclass(frozen=True, slots=True)
class Hole:
    """A capability that the prompts left uncovered, with its likeness to them then (below `COVERED_FROM`).

    `prompts` were written for it, as its items begin.
    """

    capability: str
    likeness: float
    prompts: int


def find_holes(capabilities: Mapping[str, Sequence[str]], prompts: Sequence[str]) -> dict[str, float]:
    """The capabilities that are known not to be covered, with their likeness; see `measure_coverage`.

    Where the items tell nothing about each other nobody knows what their kind is, and where they ask nothing there is
    nothing to write: such capabilities are left alone.
    """
    return {
        found.capability: found.likeness
        for found in measure_coverage(capabilities, prompts)
        if found.covered is False and found.likeness is not None and beginnings_of(capabilities[found.capability])
    }


def prompts_for_each(holes: int, *, rows: int, replaced: int) -> int:
    """How many prompts fill each of so many holes.

    Args:
        holes: How many there are.
        rows: Rows in all; a twentieth of them fills a hole, and no fewer than can be held apart as a kind.
        replaced: Rows that make room: those whose prompts the base writes, or all where they are given. At most half
            of them go to holes.
    """
    wanted = max(FEWEST_ALIKE, round(SHARE_OF_HOLE * rows))
    return min(wanted, int(SHARE_OF_HOLES * replaced) // max(1, holes))


def beginnings_of(items: Sequence[str]) -> list[str]:
    """How items begin: with the words that an item shares with another one, and two at least.

    What items share is their form; what one has for itself is its content, and is not given away. No beginning has more
    than half of the words of its item, or more than twelve; an item of one word has none. Ideographs and kana count as
    words.
    """
    words = [tuple(_WORD.findall(item)) for item in items]
    shared = _shared(words)
    lengths = [min(max(s, _FEWEST_WORDS), len(own) // 2, MOST_WORDS) for s, own in zip(shared, words, strict=True)]
    return [_first_words(item, length) for item, length in zip(items, lengths, strict=True) if length]


def _shared(items: Sequence[tuple[str, ...]]) -> list[int]:
    """With how many of its first words each item begins like another one."""
    shared = [0] * len(items)
    # In alphabetical order, none has more in common with an item than the ones beside it.
    for one, other in pairwise(sorted(range(len(items)), key=items.__getitem__)):
        pairs = zip(items[one], items[other], strict=False)
        common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        shared[one], shared[other] = max(shared[one], common), max(shared[other], common)
    return shared


def _first_words(text: str, count: int) -> str:
    return text[: list(islice(_WORD.finditer(text), count))[-1].end()]
