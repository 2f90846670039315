"""The order in which one stream's documents come: a new shuffle on every pass, and those that wait first.

The order of a pass depends on the seed, the stream's name and the number of the pass, so no two passes are alike, no
stream depends on its neighbours, and a position is two small numbers. What is shuffled are rows; how many documents a
row gives is learnt when it is drawn. Its first one has the number of the row, and the n-th after it the number of the
row + n · rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt


def pass_order(rows: int, *, seed: int, name: str, number: int) -> npt.NDArray[np.int64]:
    """The rows 0 … `rows` − 1 in the order of pass `number` (from 0).

    Sorting by raw random words is used in place of a library shuffle, because the words of a NumPy bit generator are
    promised never to change while its shuffles may change between versions, and with them the data order of a run
    that is resumed.
    """
    key = hashlib.blake2b(f"{seed}\0{name}\0{number}".encode(), digest_size=16).digest()
    words = np.random.PCG64(int.from_bytes(key, "big")).random_raw(rows)
    return np.argsort(words, kind="stable")


class DocumentOrder:
    """A walk over one stream's documents, pass after pass.

    Documents that were drawn and found no room wait, and are offered again before any new one is drawn. At most
    `waiting_limit` wait at once, and none is drawn for another pass while it waits, so no document falls more than one
    pass behind the others.

    Args:
        rows: How many rows there are.
        documents_of: How many documents a row gives.
        seed: Fixes the order.
        name: The stream's name.
        waiting_limit: See above.
    """

    def __init__(
        self, rows: int, documents_of: Callable[[int], int], *, seed: int, name: str, waiting_limit: int
    ) -> None:
        self._rows = rows
        self._documents_of = documents_of
        self._seed = seed
        self._name = name
        self._waiting_limit = waiting_limit
        self._pass = 0
        self._position = 0
        self._waiting: list[int] = []
        self._left_out: set[int] = set()
        self._order = self._shuffled()

    def offers(self) -> Iterator[int]:
        """The documents to be offered to one batch; each is taken with `take`, or waits for the next batch.

        Ends when as many documents wait as may, or when the next one is waiting already.
        """
        yield from tuple(self._waiting)
        while len(self._waiting) < self._waiting_limit and not self._waits(row := self._peek()):
            self._position += 1
            count = self._documents_of(row)
            if not count:
                self._left_out.add(row)
            documents = [row + number * self._rows for number in range(count)]
            self._waiting += documents
            yield from documents

    def take(self, document: int) -> None:
        """The document that was offered last has found room."""
        self._waiting.remove(document)

    @property
    def left_out(self) -> int:
        """How many rows were drawn and gave no document."""
        return len(self._left_out)

    def state(self) -> dict[str, Any]:
        """Where the walk stands, as JSON data."""
        return {"pass": self._pass, "position": self._position, "waiting": list(self._waiting),
                "left_out": sorted(self._left_out)}  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        """Stand where `state` was taken."""
        self._pass, self._position = int(state["pass"]), int(state["position"])
        self._waiting = [int(document) for document in state["waiting"]]
        self._left_out = {int(row) for row in state["left_out"]}
        self._order = self._shuffled()

    def _waits(self, row: int) -> bool:
        return any(document % self._rows == row for document in self._waiting)

    def _peek(self) -> int:
        if self._position == self._rows:
            self._pass, self._position = self._pass + 1, 0
            self._order = self._shuffled()
        return int(self._order[self._position])

    def _shuffled(self) -> npt.NDArray[np.int64]:
        return pass_order(self._rows, seed=self._seed, name=self._name, number=self._pass)
