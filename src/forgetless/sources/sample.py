"""Rows in, a sample of them out that depends on their content alone, with no more than the sample held in memory."""

from __future__ import annotations

import heapq

from forgetless.records import Row
from forgetless.rundir import content_hash


class RowSample:
    """All rows that are added, or those `limit` of them whose salted hashes are smallest, in the order of adding.

    The choice depends neither on the order nor on where the rows come from: files are often sorted by class, and
    their beginning speaks for one class only.
    """

    def __init__(self, limit: int | None) -> None:
        self.added = 0
        self._limit = limit
        self._kept: list[tuple[int, int, Row]] = []

    def add(self, row: Row) -> None:
        """Offer a row, which must differ in content from all before."""
        self.added += 1
        if self._limit is None:
            self._kept.append((0, self.added, row))
            return
        # Salted, so that it is independent of any other choice that is made by the ids; negative, so that the heap
        # gives up the largest hash first.
        entry = (-int(content_hash("max_rows", row.id), 16), self.added, row)
        if len(self._kept) < self._limit:
            heapq.heappush(self._kept, entry)
        else:
            heapq.heappushpop(self._kept, entry)

    def rows(self) -> tuple[Row, ...]:
        """What is kept."""
        return tuple(row for _, _, row in sorted(self._kept, key=lambda entry: entry[1]))
