"""Rows in, rows on the disk out: written once in one pass, then read one by one, whatever their number.

A store is a folder with an Arrow file, which is mapped into memory and not read, and the rejects of the pass. It is
addressed by content, so that a file that has changed is another store.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from forgetless.records import Row
from forgetless.rundir import disk_errors
from forgetless.sources.content import Written, row_of
from forgetless.sources.record import Reject
from forgetless.sources.rows import RowIndex, RowKeys

if TYPE_CHECKING:
    import pyarrow

REVISION = 2
"""Raised whenever a store is written in another way, or a record becomes another row."""

_KEPT_SECONDS = 30 * 24 * 3600.0
_ROWS, _REJECTS = "rows.arrow", "rejects.jsonl"


class Part(NamedTuple):
    """Some rows as an Arrow batch, few enough to be read at once, and the rejects among their records."""

    rows: pyarrow.RecordBatch
    rejects: list[Reject]


class StoredRows:
    """The rows of one source, on the disk.

    Args:
        folder: What `keep_rows` has filled.
        source: The name of the source in the recipe.
    """

    def __init__(self, folder: Path, *, source: str) -> None:
        import pyarrow

        self.folder = folder
        self._source = source
        self._file = pyarrow.ipc.open_file(pyarrow.memory_map(str(folder / _ROWS)))
        batches = [self._file.get_batch(number) for number in range(self._file.num_record_batches)]
        self._ends = np.cumsum([batch.num_rows for batch in batches], dtype=np.int64)
        self._open: tuple[int, pyarrow.RecordBatch] | None = None
        self.index = _index(batches)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(StoredRows, source=self._source), (self.folder,)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def read(self, number: int) -> Row:
        """One row, by its number from 0."""
        which = int(np.searchsorted(self._ends, number, side="right"))
        if self._open is None or self._open[0] != which:
            self._open = which, self._file.get_batch(which)
        batch = self._open[1]
        place = number - (int(self._ends[which - 1]) if which else 0)
        content, origin, row_id = (batch.column(name)[place] for name in ("content", "origin", "id"))
        return row_of(content.as_py(), row_id=row_id.as_py().hex(), source=self._source, origin=origin.as_py())

    def rejects(self) -> tuple[Reject, ...]:
        """What did not become a row, in the order of reading."""
        lines = (self.folder / _REJECTS).read_text(encoding="utf-8").split("\n")
        return tuple(Reject(**json.loads(line)) for line in lines if line)


def keep_rows(parts: Iterable[Part], *, source: str, folder: Path, key: str | None) -> StoredRows:
    """Rows on the disk: those that are there under the key, or those that are now written.

    Args:
        parts: Rows and rejects; read if there is no such store.
        source: The name of the source in the recipe.
        folder: Where stores are kept. What was not used for a month goes when a new one is written.
        key: Addresses the store by content. Without a key the store is written anew, and goes with this object.

    Raises:
        RunFolderError: The disk is full, or the folder cannot be written.
    """
    with disk_errors(folder):
        if key is not None and (folder / key).exists():
            os.utime(folder / key)
            return StoredRows(folder / key, source=source)
        folder.mkdir(parents=True, exist_ok=True)
        _forget_unused(folder)
        fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=folder))
        try:
            _write(fresh, parts)
            if key is not None:
                _put(fresh, folder / key)
                return StoredRows(folder / key, source=source)
            store = StoredRows(fresh, source=source)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        weakref.finalize(store, shutil.rmtree, fresh, ignore_errors=True)
        return store


def _put(fresh: Path, place: Path) -> None:
    """Give a store its name; where another process was faster, that one's store is the same."""
    try:
        os.replace(fresh, place)
    except OSError:
        if not place.exists():
            raise
        shutil.rmtree(fresh, ignore_errors=True)


def part_of(results: Iterable[Written | Reject]) -> Part:
    """What was made of some records, in the form in which it is kept."""
    import pyarrow

    rows: list[tuple[Any, ...]] = []
    rejects: list[Reject] = []
    for result in results:
        if isinstance(result, Reject):
            rejects.append(result)
            continue
        (row, content), keys = result, RowKeys.of(result.row)
        rows.append((content, row.origin, keys.id, keys.place, keys.asked, keys.is_text))
    schema = _schema()
    columns = list(map(list, zip(*rows, strict=True))) if rows else [[] for _ in schema]
    return Part(pyarrow.record_batch(columns, schema=schema), rejects)


def _schema() -> pyarrow.Schema:
    import pyarrow

    return pyarrow.schema(
        {
            "content": pyarrow.large_string(),
            "origin": pyarrow.string(),
            "id": pyarrow.binary(16),
            "place": pyarrow.float64(),
            "asked": pyarrow.list_(pyarrow.uint64()),
            "is_text": pyarrow.bool_(),
        }
    )


def _write(folder: Path, parts: Iterable[Part]) -> None:
    import pyarrow

    with (folder / _ROWS).open("wb") as file, (folder / _REJECTS).open("w", encoding="utf-8", newline="\n") as left_out:
        with pyarrow.ipc.new_file(file, _schema()) as rows:
            for part in parts:
                if part.rows.num_rows:
                    rows.write_batch(part.rows)
                left_out.writelines(json.dumps(reject._asdict(), ensure_ascii=False) + "\n" for reject in part.rejects)
        for written in (file, left_out):
            written.flush()
            os.fsync(written.fileno())


def _index(batches: list[pyarrow.RecordBatch]) -> RowIndex:
    asks, starts = [np.zeros(0, np.uint64)], np.cumsum([0, *(batch.num_rows for batch in batches)])
    asked_by = [np.zeros(0, np.int64)]
    for batch, start in zip(batches, starts, strict=False):
        lists = batch.column("asked")
        asks.append(lists.flatten().to_numpy())
        counts = np.diff(lists.offsets.to_numpy())
        asked_by.append(start + np.repeat(np.arange(batch.num_rows), counts))
    return RowIndex(
        ids=np.concatenate([np.zeros((0, 2), np.uint64), *(_ids(batch) for batch in batches)]),
        places=np.concatenate([np.zeros(0), *(batch.column("place").to_numpy() for batch in batches)]),
        asked=np.concatenate(asks),
        asked_by=np.concatenate(asked_by),
        is_text=np.concatenate(
            [np.zeros(0, np.bool_), *(b.column("is_text").to_numpy(zero_copy_only=False) for b in batches)]
        ),
    )


def _ids(batch: pyarrow.RecordBatch) -> npt.NDArray[np.uint64]:
    column = batch.column("id")
    words = np.frombuffer(column.buffers()[1], dtype="<u8", count=2 * len(column))
    return words.reshape(-1, 2)


def _forget_unused(folder: Path) -> None:
    for store in folder.iterdir():
        with suppress(FileNotFoundError):
            if time.time() - store.stat().st_mtime > _KEPT_SECONDS:
                shutil.rmtree(store, ignore_errors=True)
