"""Rows in, those out that are nearly the same as an earlier one: a word changed, a comma more.

Two rows are nearly the same if their prompts share four fifths of their pieces (Jaccard), and so do what is trained of
them; an answer of less than 48 bytes must be the same, for there a piece is much. A piece has four characters, or two
where it begins with an ideograph or kana, so that Chinese needs no words. Case, width of characters and spacing make no
difference. How much two rows share is estimated by MinHash (Broder 1997) with 128 hashes, a standard error of .035 at
four fifths; a row is compared with the first of those that agree with it in four hashes of the prompt and one of the
answer, for 32 such groups of hashes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from forgetless.records import Message, Row
from forgetless.rundir import text_hash
from forgetless.sources.overlap import SPACELESS, normalised
from forgetless.sources.rows import short_key

NEARLY_THE_SAME: Final = 0.8
"""The share of pieces that two prompts, and two answers, have in common at the least."""

_PIECE, _PIECE_OF_IDEOGRAPHS = 4, 2
_BANDS, _HASHES_PER_BAND = 32, 4
_HASHES = _BANDS * _HASHES_PER_BAND
_ROWS_AT_ONCE = 256
_CHARACTERS_AT_ONCE = 1 << 20
_SHORT_ANSWER_BYTES = 48
_RANGES = [(ord(first), ord(last)) for first, last in re.findall("(.)-(.)", SPACELESS)]
# Fixed, because what a run leaves out must not depend on anything but its rows; odd, so that no product loses a bit.
_RANDOM = np.random.default_rng(20261123)
_OF_CHARACTERS, _OF_BAND = (_RANDOM.integers(0, 2**64, n, np.uint64) | np.uint64(1) for n in (_PIECE, 5))
_OF_HASHES = _RANDOM.integers(0, 2**32, _HASHES, np.uint32) | np.uint32(1)

Hashes = npt.NDArray[np.uint32]


def near_duplicates(rows: Iterable[Row], *, count: int) -> npt.NDArray[np.int64]:
    """For each row the number of an earlier row that is nearly the same, or -1.

    Of rows that are alike in a chain all but the first have such a row, though the chain's ends may be less alike.

    Args:
        rows: Conversations and raw texts; gone through once.
        count: How many there are. 1 KiB of memory is taken for each.
    """
    asked, trained = (np.zeros((count, _HASHES), np.uint32) for _ in range(2))
    start = 0
    for batch in _batches(rows):
        end = start + len(batch)
        asked[start:end] = smallest_hashes([_text(row, trained=False) for row in batch])
        answers = [_text(row, trained=True) for row in batch]
        trained[start:end] = smallest_hashes(answers)
        for number, answer in enumerate(answers, start=start):
            if len(answer.encode()) < _SHORT_ANSWER_BYTES:
                trained[number] = short_key(text_hash(normalised(answer))) >> 32
        start = end
    found, numbers = np.full(count, -1, np.int64), np.arange(count)
    for band in range(_BANDS):
        first = _first_that_agrees(asked, trained, band)
        candidates = numbers[(first != numbers) & (found < 0)]
        earlier = first[candidates]
        alike = (_shared(asked, candidates, earlier) >= NEARLY_THE_SAME) & (
            _shared(trained, candidates, earlier) >= NEARLY_THE_SAME
        )
        found[candidates[alike]] = earlier[alike]
    return found


def smallest_hashes(texts: Sequence[str]) -> Hashes:
    """For each text the smallest of the hashes of its pieces, by each of 128 functions, `[texts, 128]`."""
    padded = [f"  {normalised(text)}  " for text in texts]
    points = np.frombuffer("".join(padded).encode("utf-32-le"), "<u4")
    ends = np.cumsum([len(text) for text in padded])
    pieces = _pieces(points)
    # What begins in the last characters of a text runs into the next one, and is replaced by the piece before it.
    last = ends - _PIECE
    for over in range(1, _PIECE):
        pieces[np.minimum(last + over, len(pieces) - 1)] = pieces[last]
    starts = np.concatenate([[0], ends[:-1]])
    return np.stack([np.minimum.reduceat(pieces * factor, starts) for factor in _OF_HASHES], axis=1)


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    held: list[Row] = []
    characters = 0
    for row in rows:
        held.append(row)
        characters += len(row.text or "") + sum(len(message.content) for message in row.messages)
        if len(held) == _ROWS_AT_ONCE or characters >= _CHARACTERS_AT_ONCE:
            yield held
            held, characters = [], 0
    if held:
        yield held


def _text(row: Row, *, trained: bool) -> str:
    """What is compared: of a very long text its beginning, which is held in memory several times over."""
    if row.text is not None:
        return "" if trained else row.text[:_CHARACTERS_AT_ONCE]
    said = "\n".join(_said(message) for message in row.messages if message.trained == trained)
    return said[:_CHARACTERS_AT_ONCE]


def _said(message: Message) -> str:
    calls = (part for call in message.tool_calls for part in (call.name, call.arguments))
    return "\n".join(part for part in (*message.tools, message.reasoning, message.content, *calls) if part)


def _pieces(points: npt.NDArray[np.uint32]) -> Hashes:
    """A number for the piece that begins at each character."""
    length = len(points) - _PIECE + 1
    parts = [points[i : i + length] * factor for i, factor in enumerate(_OF_CHARACTERS)]
    short = parts[0] + parts[1]
    begins = points[:length]
    spaceless = np.zeros(length, np.bool_)
    for first, last in _RANGES:
        spaceless |= (first <= begins) & (begins <= last)
    return (_mixed(np.where(spaceless, short, short + parts[2] + parts[3])) >> np.uint64(32)).astype(np.uint32)


def _first_that_agrees(asked: Hashes, trained: Hashes, band: int) -> npt.NDArray[np.int64]:
    """For each row the first one that has the same hashes in a band: four of its prompt, one of its answer."""
    chosen = asked[:, band * _HASHES_PER_BAND : (band + 1) * _HASHES_PER_BAND]
    agreeing = np.column_stack([chosen, trained[:, band]]) * _OF_BAND
    _, first, of = np.unique(_mixed(agreeing.sum(axis=1)), return_index=True, return_inverse=True)
    return first[of]


def _shared(hashes: Hashes, some: npt.NDArray[np.int64], others: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    return np.mean(hashes[some] == hashes[others], axis=1)


def _mixed(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """SplitMix64's last steps: every bit of a number moves about half of the bits of what comes out."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
