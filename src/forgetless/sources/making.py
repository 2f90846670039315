"""Records in, rows ready to be stored out, by several processes where there are many records.

One process makes some fifteen thousand rows a second, so a million would take more than a minute. The processes are
those of loky, which need no guard around the main module of whoever calls this.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from forgetless.recipe import RowTemplate
from forgetless.sources.content import Written
from forgetless.sources.record import Record, Reject
from forgetless.sources.shapes import row_from_record
from forgetless.sources.store import Part, part_of

RECORDS_AT_ONCE: Final = 1024
_CHARACTERS_AT_ONCE = 1 << 20
_ALONE = 20
"""So many times as many records are made in this process before others are started, which takes a second."""
_MOST_PROCESSES = 8

Records = Sequence[Record | Reject]


@dataclass(frozen=True, slots=True)
class RowMaker:
    """How the records of one source become rows; it can be sent to another process.

    Attributes:
        columns: Those of the first records.
        template: What to write over them, with the shape `template`.
        shape: One of `SHAPES`.
        source: The name of the source in the recipe.
        prompts_only: See `row_from_record`.
    """

    columns: tuple[str, ...]
    template: RowTemplate | None
    shape: str
    source: str
    prompts_only: bool

    def part(self, records: Records) -> Part:
        """The rows of some records."""
        return part_of(self._row(record) for record in records)

    def _row(self, record: Record | Reject) -> Written | Reject:
        if isinstance(record, Reject):
            return record
        if self.shape == "template":
            # A record that lacks a column must be rejected for it, not keep the braces in its text.
            record = Record(record.origin, {**dict.fromkeys(self.columns), **record.fields})
        return row_from_record(
            record, shape=self.shape, template=self.template, source=self.source, prompts_only=self.prompts_only
        )


def make_rows(maker: RowMaker, records: Iterable[Record | Reject]) -> Iterator[Part]:
    """The rows of all records, in their order, a few thousand records held at a time."""
    some = _some(records)
    for taken in islice(some, _ALONE):
        yield maker.part(taken)
    first = next(some, None)
    if first is None:
        return
    import loky

    processes = min(loky.cpu_count(), _MOST_PROCESSES)
    yield maker.part(first)
    if processes == 1:
        yield from map(maker.part, some)
        return
    with loky.ProcessPoolExecutor(processes) as pool:
        yield from _in_order(pool, maker, some, most=2 * processes)


def _in_order(pool: Any, maker: RowMaker, some: Iterator[Records], *, most: int) -> Iterator[Part]:
    """The parts in order; what a process that has died had taken is made here."""
    waiting: deque[tuple[Records, Any]] = deque()
    for taken in some:
        try:
            waiting.append((taken, pool.submit(maker.part, taken)))
        except (BrokenExecutor, OSError):
            waiting.append((taken, None))
        if len(waiting) > most:
            yield _result(maker, *waiting.popleft())
    while waiting:
        yield _result(maker, *waiting.popleft())


def _result(maker: RowMaker, taken: Records, future: Any) -> Part:
    try:
        return maker.part(taken) if future is None else future.result()
    except BrokenExecutor:
        return maker.part(taken)


def _some(records: Iterable[Record | Reject]) -> Iterator[Records]:
    """Records in their order, about a thousand at a time, fewer of long ones."""
    taken: list[Record | Reject] = []
    characters = 0
    for record in records:
        taken.append(record)
        characters += _characters(record)
        if len(taken) == RECORDS_AT_ONCE or characters >= _CHARACTERS_AT_ONCE:
            yield taken
            taken, characters = [], 0
    if taken:
        yield taken


def _characters(value: object) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_characters, value.values()))
    return sum(map(_characters, value)) if isinstance(value, (list, tuple)) else 0
