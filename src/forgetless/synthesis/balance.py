"""More prompts than are wanted in, a choice of them out in which kinds that come seldom are not drowned.

What a model writes by itself has the mix of what it was taught, and a few kinds make up most of it. KL holds a kind by
the rows of that kind, so a kind with a handful of rows is hardly held. Prompts are therefore grouped by likeness of
form and taken from the groups in turns, each group the more turns the larger it is, but only as the square root of
its size.

The square root lies half-way between the mix as written, in which seldom kinds drown, and equal parts, which starve
common ones, though these may be the most varied. Multilingual training raises small languages by such a power of their
size (Arivazhagan et al. 2019, arXiv 1907.05019), and seldom hashtags were sampled by this very one (Mahajan et al.
2018, arXiv 1805.00932). Since the model writes `SPARE` times as many prompts as are wanted, no kind's part can grow
beyond that factor, odd prompts that are like nothing else included.
"""

from __future__ import annotations

import math
import random
import zlib
from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np

from forgetless.synthesis.likeness import Shape, shape_of, similarity

SPARE: Final = 2
"""Prompts that are written for each that is taken. An answer is longer than a prompt, as a rule, and trained on."""

SAME_FORM: Final = 0.3
"""Similarity from which a prompt joins the group of another."""

_BANDS, _BAND = 16, 2
_draw = random.Random(0)
_FACTORS, _SHIFTS = (
    np.array([_draw.getrandbits(64) | 1 for _ in range(_BANDS * _BAND)], dtype=np.uint64)[:, None] for _ in range(2)
)


def take_turns(groups: Sequence[int], n: int) -> list[int]:
    """Which `n` of the texts to take, given the group of each: their numbers, rising.

    With sizes s and so many r of a group taken before, the next turn is that of the smallest (r + ½) / √s (Webster's
    method of apportionment): parts are as √s until a group has no more to give.
    """
    sizes, before = Counter(groups), Counter[int]()
    turns: list[tuple[float, int]] = []
    for number, group in enumerate(groups):
        turns.append(((before[group] + 0.5) / math.sqrt(sizes[group]), number))
        before[group] += 1
    return sorted(number for _, number in sorted(turns)[:n])


def group_by_form(texts: Sequence[str]) -> list[int]:
    """The number of the group of each text; a text joins the group of the most similar one that it meets.

    Texts meet in buckets: two of similarity s fall into a common one with a chance of 1 - (1 - s²)¹⁶ (MinHash; Broder
    1997), and a bucket remembers only its first. So each text is compared with at most 16 others, however many there
    are: 10,000 prompts take a few seconds. The same texts in the same order give the same groups.
    """
    shapes = [shape_of(text) for text in texts]
    group_of: dict[Shape, int] = {}
    first_in: dict[tuple[int, bytes], Shape] = {}
    for shape in shapes:
        if shape not in group_of:
            buckets = _buckets(shape)
            met = dict.fromkeys(first_in[bucket] for bucket in buckets if bucket in first_in)
            likeness = {other: similarity(shape, other) for other in met}
            nearest = max(likeness, key=likeness.__getitem__, default=shape)
            alike = likeness.get(nearest, 0.0) >= SAME_FORM
            group_of[shape] = group_of[nearest] if alike else len(group_of)
            for bucket in buckets:
                first_in.setdefault(bucket, shape)
    return [group_of[shape] for shape in shapes]


def _buckets(shape: Shape) -> list[tuple[int, bytes]]:
    pieces = np.array([zlib.crc32(piece.encode("utf-8", "surrogatepass")) for piece in shape], dtype=np.uint64)
    least = ((_FACTORS * pieces + _SHIFTS) >> np.uint64(32)).min(axis=1)
    return [(start, least[start : start + _BAND].tobytes()) for start in range(0, len(least), _BAND)]
