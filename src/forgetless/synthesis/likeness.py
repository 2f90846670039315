"""How alike are texts in form? Pieces of them with digits and lone letters masked, and the share of pieces in common.

Texts go in; shapes and similarities from 0 to 1 (Jaccard) come out. *17 + 4* and *23 + 9* look the same from here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import sparse

from forgetless.sources import SPACELESS

Shape = frozenset[str]

_SHINGLE = 4
_SHINGLE_OF_IDEOGRAPHS = 2
_SPACELESS = re.compile(f"[{SPACELESS}]")


def shape_of(text: str) -> Shape:
    """Pieces of the text with digits and lone letters masked, so that form counts and not content.

    A piece has four characters, or two where it begins with an ideograph or kana: these carry about as much, and of
    Chinese questions hardly two share four characters in a row.
    """
    text = unicodedata.normalize("NFKC", text).casefold()
    text = re.sub(r"\d", "0", text)
    text = re.sub(r"\b[a-z]\b", "x", text)
    text = f"  {' '.join(text.split())}  "
    return frozenset(text[i : i + _length_at(text, i)] for i in range(len(text) - _SHINGLE + 1))


def similarity(one: Shape, other: Shape) -> float:
    """The share of pieces that two shapes have in common."""
    common = len(one & other)
    return common / (len(one) + len(other) - common)


def best_similarities(shapes: Sequence[Shape], others: Sequence[Shape]) -> list[float]:
    """For each shape its similarity to the most similar of the others; 0 where there are none.

    Every shape is compared with every other one, so one of the two lists should be short.
    """
    if not shapes or not others:
        return [0.0] * len(shapes)
    few, many = sorted((shapes, others), key=len)
    places = {piece: place for place, piece in enumerate(frozenset[str]().union(*few))}
    common = (_counts(few, places) @ _counts(many, places).T).toarray()
    sizes = np.add.outer([len(shape) for shape in few], [len(shape) for shape in many])
    similar = common / (sizes - common)
    return [float(best) for best in similar.max(axis=1 if few is shapes else 0)]


def _counts(shapes: Sequence[Shape], places: Mapping[str, int]) -> sparse.csr_array:
    """One row for each shape with a 1 for each of its pieces that has a place."""
    rows = [[places[piece] for piece in shape if piece in places] for shape in shapes]
    ends = np.cumsum([0, *(len(row) for row in rows)])
    columns = np.array([place for row in rows for place in row], dtype=np.int64)
    return sparse.csr_array((np.ones(len(columns), np.int64), columns, ends), shape=(len(rows), len(places)))


def _length_at(text: str, position: int) -> int:
    return _SHINGLE_OF_IDEOGRAPHS if _SPACELESS.match(text, position) else _SHINGLE
