"""CSV in, records out: a header or given column names; commas, tabs, semicolons or bars; quotes checked.

All values stay text: `007` is not 7. Between tabs a record is one line, because there quotes are mostly plain
characters: read as CSV, one of them would swallow the lines up to the next. What spreadsheets leave around a table is
passed over: lines of empty cells, empty cells beyond the named columns, a first line `sep=;`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TextIO

from forgetless.errors import DataError
from forgetless.sources.compression import without_compression
from forgetless.sources.record import Record, Reject, preview

_LARGEST_FIELD_CHARACTERS = 1 << 27
_DELIMITERS = ",\t;|"
_HEAD_LINES = 20
_SEPARATOR_LINE = re.compile(r"sep=(.)[\r\n]*")


def read_csv(file: TextIO, path: Path, columns: Sequence[str] | None) -> Iterator[Record | Reject]:
    """One record for every line of cells; the first line names the columns unless `columns` does.

    A broken record takes every line that it swallowed with it, each as a reject of its own.

    Raises:
        DataError: The header cannot be read, or names a column twice.
    """
    # The limit is one for the whole process and only ever raised: whole documents stand in CSV cells.
    csv.field_size_limit(max(csv.field_size_limit(), _LARGEST_FIELD_CHARACTERS))
    head, whole = _head(file)
    first, delimiter = 1, None
    if head and (told := _SEPARATOR_LINE.fullmatch(head[0])):
        first, delimiter = 2, told[1]
        next(whole)
    delimiter = delimiter or _delimiter(head, path, columns)
    if delimiter == "\t":
        yield from _read_tabs(whole, path, columns, first)
        return
    lines = _Lines(whole, first)
    # `strict`, because otherwise a quote that is never closed swallows the rest of the file without a word.
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    names = list(columns) if columns is not None else _header(reader, path)
    while True:
        start = lines.restart()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield from lines.rejects(path, start, f"broken CSV in the record that begins in line {start}: {error}")
            continue
        if _filled(cells):
            yield _record(f"{path}:{start}", names, cells)


def _read_tabs(
    lines: Iterable[str], path: Path, columns: Sequence[str] | None, first: int
) -> Iterator[Record | Reject]:
    names = columns
    for number, line in enumerate(lines, start=first):
        cells = _tab_cells(line.rstrip("\r\n"))
        if not _filled(cells):
            continue
        if names is None:
            names = _names(cells, path)
        else:
            yield _record(f"{path}:{number}", names, cells)


def _tab_cells(line: str) -> list[str]:
    """The cells of a line, without their quotes if all quotes in it are those of CSV."""
    try:
        return next(csv.reader([line], delimiter="\t", strict=True))
    except csv.Error:
        return line.split("\t")


def _filled(cells: Sequence[str]) -> bool:
    return any(cell.strip() for cell in cells)


def _record(origin: str, names: Sequence[str], cells: Sequence[str]) -> Record | Reject:
    if not any(names[len(cells) :]) and not _filled(cells[len(names) :]):
        pairs = zip(names, cells, strict=False)
        return Record(origin, {name: cell for name, cell in pairs if name or cell.strip()})
    reason = f"has {len(cells)} fields where {len(names)} columns are named"
    return Reject(origin, reason, preview(", ".join(cells)))


class _Lines:
    """The lines of a file on their way to the CSV reader, those of the current record kept for its rejects."""

    def __init__(self, file: Iterable[str], first: int) -> None:
        self._file = iter(file)
        self._next_line = first
        self._current: list[str] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = next(self._file)
        self._next_line += 1
        self._current.append(line)
        return line

    def restart(self) -> int:
        """Forget the record before; returns the number of the line that comes next."""
        self._current = []
        return self._next_line

    def rejects(self, path: Path, start: int, reason: str) -> Iterator[Reject]:
        """One reject for every line of the current record."""
        for number, line in enumerate(self._current, start=start):
            yield Reject(f"{path}:{number}", reason, preview(line))


def _head(file: Iterable[str]) -> tuple[list[str], Iterator[str]]:
    """The first lines, and all lines with them."""
    lines = iter(file)
    head = list(islice(lines, _HEAD_LINES))
    return head, chain(head, lines)


def _delimiter(head: Sequence[str], path: Path, columns: Sequence[str] | None) -> str:
    """The mark that cuts the most of the first records into as many cells as there are columns, two at least.

    A mark inside a quoted cell, or in the text of one column, cuts a record into another number of cells. Where two
    marks fit alike, the one that has fewer spaces after it is no punctuation.
    """
    if without_compression(path).suffix.lower() == ".tsv":
        return "\t"
    fitting = {mark: _records_that_fit(head, mark, columns) for mark in _DELIMITERS}
    spaced = {mark: sum(line.count(f"{mark} ") for line in head) for mark in _DELIMITERS}
    found = max(_DELIMITERS, key=lambda mark: (fitting[mark], -spaced[mark]))
    return found if fitting[found] else ","


def _records_that_fit(head: Sequence[str], mark: str, columns: Sequence[str] | None) -> int:
    try:
        if mark == "\t":
            cells = [len(_tab_cells(line.rstrip("\r\n"))) for line in head if line.strip()]
        else:  # not strict: the last of these lines may stand in the middle of a record
            cells = [len(record) for record in csv.reader(head, delimiter=mark) if record]
    except csv.Error:
        return 0
    wanted = len(columns) if columns is not None else next(iter(cells), 1)
    return cells.count(wanted) if wanted > 1 else 0


def _header(reader: Iterator[list[str]], path: Path) -> list[str]:
    try:
        return _names(next((cells for cells in reader if _filled(cells)), []), path)
    except csv.Error as error:
        raise DataError(
            field=str(path),
            value="line 1",
            rule=f"the line that names the columns is broken CSV: {error}",
            way_out="close its quotes, and write a quote inside a cell twice",
        ) from None


def _names(cells: Sequence[str], path: Path) -> list[str]:
    names = [cell.strip() for cell in cells]
    if twice := sorted({name for name in names if name and names.count(name) > 1}):
        raise DataError(
            field=str(path),
            value=", ".join(names),
            rule=f"the line that names the columns names `{twice[0]}` twice",
            way_out="rename one of them; without such a line, name the columns in the recipe",
        )
    return names
