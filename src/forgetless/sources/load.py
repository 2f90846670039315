"""One source of the recipe in, its rows out, with everything that was left out counted and said.

Format, encoding and shape are told from the records where the recipe does not name them, and `describe` says aloud
what was found. Records are read one by one into a store on the disk, which is found again as long as the files and the
way to read them stay as they are. Past the allowed share of rejects the source is refused, with the first of them
shown.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from forgetless.errors import DataError
from forgetless.recipe import FileSettings, SourceSettings
from forgetless.records import StreamKind
from forgetless.rundir import cache_folder, content_hash, file_hash
from forgetless.sources.making import RowMaker, make_rows
from forgetless.sources.near_duplicates import near_duplicates
from forgetless.sources.record import Record, Reject
from forgetless.sources.rows import Rows
from forgetless.sources.shapes import columns_read, detect_shape
from forgetless.sources.store import REVISION, StoredRows, keep_rows
from forgetless.sources.streams import RecordStream, record_streams
from forgetless.sources.templates import columns_used

_HEAD_RECORDS = 100
_SHOWN_REJECTS = 3
_MOST_COMPARED = 20_000
_SHOWN_FILES = 5
_FORMAT_NAMES = {
    "csv": "CSV", "json": "JSON", "jsonl": "JSONL", "parquet": "Parquet", "text": "text", "hub": "hub dataset",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class LoadedSource:
    """The rows of one source and the account of how they came about.

    `files` are paths in the order of reading, or the name of a split on the hub, and `encodings` those of the files,
    each once. `columns` are those of its first records and `unread` the ones among them that the shape leaves out;
    `duplicates` counts rows whose content had come before, `beyond_limit` those that `max_rows` left out.
    `near_duplicates` counts rows that are nearly the same as an earlier one, and `alike` says where the first of them
    and that earlier one stand; with `near_left_out` they are left out, and counted among the duplicates.
    """

    name: str
    kind: StreamKind
    rows: Rows
    rejects: tuple[Reject, ...]
    shape: str
    file_format: str
    files: tuple[str, ...]
    duplicates: int
    encodings: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    beyond_limit: int = 0
    near_duplicates: int = 0
    alike: tuple[str, str] | None = None
    near_left_out: bool = False

    def describe(self) -> str:
        """One line that says what was found, how it was read, and what was left out."""
        formats = " and ".join(_FORMAT_NAMES[name] for name in self.file_format.split(", "))
        columns = f" with columns {_named(self.columns)}" if self.file_format != "text" else ""
        foreign = [name for name in self.encodings if name != "utf-8"]
        encoded = f", encoded in {' and '.join(self.encodings)}" if foreign else ""
        counts = [f"{len(self.rows):,} row{'s' * (len(self.rows) != 1)}", f"{len(self.rejects):,} rejected"]
        counts.append(f"{self.duplicates:,} duplicate{'s' * (self.duplicates != 1)} left out")
        if self.beyond_limit:
            counts.append(f"{self.beyond_limit:,} left out by `max_rows`")
        if self.near_duplicates:
            counts.append(self.describe_near_duplicates())
        if self.unread:
            counts.append(f"columns not read: {_named(self.unread)}")
        return (
            f"{self.name}: {formats}{self._place()}{columns}{encoded}, read as {self.shape} rows: {', '.join(counts)}"
        )

    def describe_near_duplicates(self) -> str:
        """How many rows are nearly the same as an earlier one, with an example; empty where none is."""
        if not self.near_duplicates or self.alike is None:
            return ""
        again, before = (Path(origin).name for origin in self.alike)
        which = "of these" if self.near_left_out else f"row{'s' * (self.near_duplicates != 1)}"
        return f"{self.near_duplicates:,} {which} nearly the same as an earlier one ({again} as {before})"

    def _place(self) -> str:
        """Which files in which order, where there is more than one; which split of which dataset."""
        if self.file_format == "hub":
            return f" {self.files[0]}"
        names = [Path(file).name for file in self.files]
        if len(names) == 1:
            return ""
        shown = names if len(names) <= _SHOWN_FILES else [*names[: _SHOWN_FILES - 1], "...", names[-1]]
        return f" from {len(names):,} files ({', '.join(shown)})"


def load_source(name: str, settings: FileSettings, *, kind: StreamKind, folder: Path, field: str) -> LoadedSource:
    """Read all records of a source into rows.

    Rows with the same content are kept once; those that are nearly the same are counted among up to 20,000 rows, or
    left out if the recipe says so. With `max_rows` everything is read, and a sample that depends on the
    content alone is kept, in file order. A source of kind `replay` is read for its prompts:
    conversations end with their last user turn, and answers may be missing.

    Args:
        name: The name of the source in the recipe.
        settings: Which files or hub dataset, and how to read them.
        kind: What the rows are for.
        folder: The folder of the recipe.
        field: The recipe field of the source, for errors (`sources.banking`).

    Raises:
        DataError: A file or dataset cannot be read, the shape cannot be told or is not that of the source's kind, the
            template names a column that is not there, no row is left, or more than `max_rejected_percent` of the
            records are rejected.
    """
    streams = record_streams(settings, folder=folder, field=field)
    records = chain.from_iterable(stream.read() for stream in streams)
    head = list(islice(records, _HEAD_RECORDS))
    columns = tuple(dict.fromkeys(key for record in head if isinstance(record, Record) for key in record.fields))
    shape = _shape(head, columns, settings, prompts_only=kind == "replay", field=field)
    if isinstance(settings, SourceSettings):
        _check_kind(settings, shape, field=field)
    prompts_only = kind == "replay"
    maker = RowMaker(columns, settings.template, shape, name, prompts_only)
    store = keep_rows(
        make_rows(maker, chain(head, records)),
        source=name,
        folder=cache_folder() / "rows",
        key=_key(streams, columns, settings, shape=shape, prompts_only=prompts_only),
    )
    rejects = store.rejects()
    _check_rejects(rejects, total=len(store) + len(rejects), settings=settings, field=field)
    # Of equal ids the first: the 64 bits of a million different rows are equal by accident once in 30 million times.
    distinct = np.sort(np.unique(store.index.ids[:, 0], return_index=True)[1])
    drops = isinstance(settings, SourceSettings) and settings.near_duplicates == "drop"
    rows, near = _rows_to_use(store, distinct, settings, drops=drops)
    if not rows:
        raise _no_rows(rejects, settings, field=field)
    read = columns_read(shape, columns, settings.template)
    return LoadedSource(
        name=name,
        kind=kind,
        rows=rows,
        rejects=rejects,
        shape=shape,
        file_format=", ".join(dict.fromkeys(stream.file_format for stream in streams)),
        files=tuple(stream.name for stream in streams),
        duplicates=len(store) - len(distinct) + (near.rows if drops else 0),
        encodings=tuple(dict.fromkeys(stream.encoding for stream in streams if stream.encoding is not None)),
        columns=columns,
        unread=tuple(column for column in columns if column not in read),
        beyond_limit=0 if settings.max_rows is None else max(0, near.distinct - settings.max_rows),
        near_duplicates=near.rows,
        alike=near.example,
        near_left_out=drops,
    )


def reject_line(source: str, reject: Reject) -> str:
    """A reject of a source as one line of JSON: source, origin, reason, preview."""
    line = {"source": source, "origin": reject.origin, "reason": reject.reason, "preview": reject.preview}
    return json.dumps(line, ensure_ascii=False) + "\n"


def _named(columns: Sequence[str]) -> str:
    return ", ".join(column or "(without a name)" for column in columns)


def _shape(
    head: Sequence[Record | Reject], columns: Sequence[str], settings: FileSettings, *, prompts_only: bool, field: str
) -> str:
    records = [record for record in head if isinstance(record, Record)]
    if not records:
        raise _no_rows([reject for reject in head if isinstance(reject, Reject)], settings, field=field)
    if settings.template is not None:
        template = settings.template
        texts = {"prompt": template.prompt, "system": template.system or ""}
        texts |= {} if prompts_only else {"completion": template.completion or ""}
        for key, text in texts.items():
            columns_used(text, columns, field=f"{field}.template.{key}")
        return "template"
    if settings.shape != "auto":
        return settings.shape
    found = Counter(detect_shape(record.fields, prompts_only=prompts_only) for record in records)
    found.pop(None, None)
    if not found:
        raise DataError(
            field=f"{field}.shape",
            value=f"columns {', '.join(columns)}",
            rule="the columns do not say how to read these records as rows",
            way_out="write a `template:` with `prompt:` and `completion:` over the columns"
            + (", or set `shape: text` to train on `text` alone" if "text" in columns else ""),
        )
    return found.most_common(1)[0][0] or ""


def _check_kind(settings: SourceSettings, shape: str, *, field: str) -> None:
    """Raw text is trained on every token and conversations on their answers; the recipe has to mean what is read."""
    if settings.kind == "text" and shape != "text":
        found, way_out = "conversations", "write `kind: general`, or `shape: text` to train on the column `text` alone"
    elif settings.kind == "general" and shape == "text":
        found, way_out = "raw text", "write `kind: text`, or a `template:` that makes conversations of the columns"
    else:
        return
    meant = "raw text" if settings.kind == "text" else "conversations"
    raise DataError(
        field=f"{field}.kind",
        value=settings.kind,
        rule=f"is for {meant}, and the records are read as {found} (shape `{shape}`)",
        way_out=way_out,
    )


def _key(
    streams: Sequence[RecordStream], columns: Sequence[str], settings: FileSettings, *, shape: str, prompts_only: bool
) -> str | None:
    """A hash of everything that the rows depend on; a dataset on the hub is not known by its files."""
    if settings.files is None:
        return None
    read = [(s.name, s.file_format, s.encoding, file_hash(Path(s.name))) for s in streams]
    template = settings.template.model_dump() if settings.template else None
    return content_hash(REVISION, read, settings.columns, template, columns, shape, prompts_only)


class _Near(NamedTuple):
    """How many rows are nearly the same as an earlier one, an example, and how many rows could be sampled."""

    rows: int
    example: tuple[str, str] | None
    distinct: int


def _rows_to_use(
    store: StoredRows, distinct: npt.NDArray[np.int64], settings: FileSettings, *, drops: bool
) -> tuple[Rows, _Near]:
    """The rows that the settings let in. Near duplicates are looked for where they are to go, or the rows are few."""
    if drops:
        everything = Rows((store, distinct))
        found = near_duplicates(everything, count=len(everything))
        distinct = distinct[found < 0]
        rows = Rows((store, _sampled(store, distinct, settings.max_rows)))
        return rows, _Near(*_example(everything, found), len(distinct))
    rows = Rows((store, _sampled(store, distinct, settings.max_rows)))
    found = np.zeros(0, np.int64)
    if isinstance(settings, SourceSettings) and len(rows) <= _MOST_COMPARED:
        found = near_duplicates(rows, count=len(rows))
    return rows, _Near(*_example(rows, found), len(distinct))


def _example(rows: Rows, found: npt.NDArray[np.int64]) -> tuple[int, tuple[str, str] | None]:
    near = np.flatnonzero(found >= 0)
    if not len(near):
        return 0, None
    again, before = int(near[0]), int(found[near[0]])
    return len(near), (rows[again].origin, rows[before].origin)


def _sampled(store: StoredRows, numbers: npt.NDArray[np.int64], limit: int | None) -> npt.NDArray[np.int64]:
    """All rows, or those `limit` of them whose salted hashes are smallest, in their order.

    The choice depends neither on the order nor on where the rows come from: files are often sorted by class, and
    their beginning speaks for one class only. The salt makes it independent of any other choice by the ids.
    """
    if limit is None or len(numbers) <= limit:
        return numbers
    ids = (store.index.ids[number].astype("<u8").tobytes().hex() for number in numbers)
    salted = np.array([int(content_hash("max_rows", row_id)[:16], 16) for row_id in ids], dtype=np.uint64)
    return np.sort(numbers[np.argpartition(salted, limit)[:limit]])


def _check_rejects(rejects: Sequence[Reject], *, total: int, settings: FileSettings, field: str) -> None:
    limit = settings.max_rejected_percent
    if total and 100.0 * len(rejects) > limit * total:
        raise DataError(
            field=_where(settings, field),
            value=f"{len(rejects):,} of {total:,} records rejected ({100.0 * len(rejects) / total:.3g} %)",
            rule=f"more than `max_rejected_percent: {limit:g}` cannot be used\n{_shown(rejects)}",
            way_out="mend the records, or set `max_rejected_percent` higher to leave them out",
        )


def _no_rows(rejects: Sequence[Reject], settings: FileSettings, *, field: str) -> DataError:
    return DataError(
        field=_where(settings, field),
        value=settings.hub or ", ".join(settings.files or ()),
        rule=f"no record can be used\n{_shown(rejects)}" if rejects else "there are no records",
        way_out="mend the records" if rejects else "check that this is what was meant",
    )


def _where(settings: FileSettings, field: str) -> str:
    return f"{field}.hub" if settings.files is None else f"{field}.files"


def _shown(rejects: Sequence[Reject]) -> str:
    return "\n".join(f"    {reject.origin}: {reject.reason}: {reject.preview}" for reject in rejects[:_SHOWN_REJECTS])
