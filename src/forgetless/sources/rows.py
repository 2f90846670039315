"""Many rows as one sequence that holds none of them: where they are kept, and which of them are meant.

What has to be known of every row at once (its id, what it asks, where its prompt falls) stands in arrays of a few bytes
a row; the rows themselves are read one by one, from the disk or from memory.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple, Protocol, overload

import numpy as np
import numpy.typing as npt

from forgetless.records import Row
from forgetless.sources.overlap import asked_keys, last_answer, place_of

_KEY_DIGITS = 16
_SALT = np.uint64(0x9E3779B97F4A7C15)


class RowKeys(NamedTuple):
    """What has to be known of one row among many.

    Attributes:
        id: 16 bytes that stand for its content.
        place: Of its prompt (see `place_of`); infinite without a question and an answer of its own, as in raw text.
        asked: The first 64 bits of the key of each question that it asks.
        is_text: Whether it is raw text.
    """

    id: bytes
    place: float
    asked: list[int]
    is_text: bool

    @classmethod
    def of(cls, row: Row) -> RowKeys:
        """The keys of a row."""
        keys = asked_keys(row.messages)
        place = place_of(keys[0]) if last_answer(row) is not None else math.inf
        return cls(_id_bytes(row.id), place, [short_key(key) for key in keys], row.text is not None)


class RowIndex(NamedTuple):
    """`RowKeys` of all rows of a store, as arrays.

    `ids` is `[rows, 2]`, `places` and `is_text` are `[rows]`; the question `asked[i]` is asked by the row
    `asked_by[i]`.
    """

    ids: npt.NDArray[np.uint64]
    places: npt.NDArray[np.float64]
    asked: npt.NDArray[np.uint64]
    asked_by: npt.NDArray[np.int64]
    is_text: npt.NDArray[np.bool_]


class RowStore(Protocol):
    """Where rows are kept."""

    @property
    def index(self) -> RowIndex:
        """What is known of all of them."""
        ...

    def read(self, number: int) -> Row:
        """One row, by its number from 0."""
        ...


class Rows(Sequence[Row]):
    """Rows of one or several stores, in a given order.

    Args:
        parts: Stores, each with the numbers of the rows that are meant, rising.
    """

    def __init__(self, *parts: tuple[RowStore, npt.NDArray[np.int64]]) -> None:
        self._parts = parts
        self._ends = list(accumulate(len(numbers) for _, numbers in parts))

    @classmethod
    def joined(cls, several: Iterable[Rows]) -> Rows:
        """The rows of the first, then those of the second, and so on."""
        return cls(*(part for rows in several for part in rows._parts))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, number: int) -> Row: ...
    @overload
    def __getitem__(self, number: slice) -> Rows: ...
    def __getitem__(self, number: int | slice) -> Row | Rows:
        if isinstance(number, slice):
            return self.select(np.arange(len(self))[number])
        place = range(len(self))[number]
        part = bisect_right(self._ends, place)
        store, numbers = self._parts[part]
        return store.read(int(numbers[place - self._ends[part]]))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(one == two for one, two in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def select(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Rows:
        """The rows where `chosen` is true, or those with the numbers in it, which must rise."""
        numbers = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen
        parts, start = [], 0
        for (store, held), end in zip(self._parts, self._ends, strict=True):
            first, last = np.searchsorted(numbers, [start, end])
            parts.append((store, held[numbers[first:last] - start]))
            start = end
        return Rows(*parts)

    def among(self, others: Rows) -> Rows:
        """Those whose content is that of one of the others."""
        return self.select(np.isin(self._ids[:, 0], others._ids[:, 0]))

    def sample(self, most: int) -> npt.NDArray[np.int64]:
        """The numbers of all rows, or of `most` of them that are chosen by content alone, rising."""
        if len(self) <= most:
            return np.arange(len(self))
        return np.sort(np.argpartition(self._ids[:, 0] * _SALT, most)[:most])

    def asking(self, keys: Collection[str]) -> npt.NDArray[np.bool_]:
        """Which rows ask a question with one of these keys (see `prompt_key`), as a whole or in any one turn."""
        wanted = np.array([short_key(key) for key in keys], dtype=np.uint64)
        found = []
        for store, numbers in self._parts:
            asks = np.zeros(len(store.index.places), dtype=np.bool_)
            asks[store.index.asked_by[np.isin(store.index.asked, wanted)]] = True
            found.append(asks[numbers])
        return np.concatenate([np.zeros(0, dtype=np.bool_), *found])

    @property
    def places(self) -> npt.NDArray[np.float64]:
        """The place of every row (see `RowKeys`)."""
        return np.concatenate([np.zeros(0), *(store.index.places[numbers] for store, numbers in self._parts)])

    @property
    def is_text(self) -> npt.NDArray[np.bool_]:
        """Whether each row is raw text."""
        return np.concatenate(
            [np.zeros(0, np.bool_), *(store.index.is_text[numbers] for store, numbers in self._parts)]
        )

    @cached_property
    def fingerprint(self) -> str:
        """A hash (32 hex digits) of the content of all rows, in their order."""
        return hashlib.blake2b(self._ids.astype("<u8").tobytes(), digest_size=16).hexdigest()

    @property
    def _ids(self) -> npt.NDArray[np.uint64]:
        return np.concatenate([np.zeros((0, 2), np.uint64), *(s.index.ids[numbers] for s, numbers in self._parts)])


class RowsInMemory:
    """A store of rows that are there already."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = tuple(rows)

    def __len__(self) -> int:
        return len(self._rows)

    @cached_property
    def index(self) -> RowIndex:
        """The keys of all rows."""
        keys = [RowKeys.of(row) for row in self._rows]
        return RowIndex(
            ids=np.frombuffer(b"".join(key.id for key in keys), dtype="<u8").reshape(-1, 2),
            places=np.array([key.place for key in keys], dtype=np.float64),
            asked=np.array([asked for key in keys for asked in key.asked], dtype=np.uint64),
            asked_by=np.array([row for row, key in enumerate(keys) for _ in key.asked], dtype=np.int64),
            is_text=np.array([key.is_text for key in keys], dtype=np.bool_),
        )

    def read(self, number: int) -> Row:
        """One row, by its number from 0."""
        return self._rows[number]


def as_rows(rows: Iterable[Row]) -> Rows:
    """Rows that are in memory as `Rows`; what is that already stays as it is."""
    if isinstance(rows, Rows):
        return rows
    store = RowsInMemory(rows)
    return Rows((store, np.arange(len(store))))


def short_key(key: str) -> int:
    """The first 64 bits of a key."""
    return int(key[:_KEY_DIGITS], 16)


def _id_bytes(row_id: str) -> bytes:
    """The id itself where it is a hash, as every id of `sources` is; else its hash."""
    try:
        given = bytes.fromhex(row_id)
    except ValueError:
        given = b""
    return given if len(given) == 16 else hashlib.blake2b(row_id.encode(), digest_size=16).digest()
