"""Where records stand in, streams of records out: one for each file, or one for a split of a hub dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from forgetless.recipe import RecordSettings
from forgetless.sources.compression import without_compression
from forgetless.sources.encodings import detect_encoding
from forgetless.sources.files import resolve_files
from forgetless.sources.formats import detect_format
from forgetless.sources.hub import hub_name, read_hub
from forgetless.sources.readers import read_records
from forgetless.sources.record import Record, Reject


@dataclass(frozen=True, slots=True)
class RecordStream:
    """Records that have yet to be read.

    `name` is a path, or `owner/name/split`; `stem` the file's name without its endings, or the subset or name of the
    dataset. `file_format` is one of `FORMATS` or `hub`; `encoding` is `None` where the format has none. `read` starts
    from the first record whenever it is called.
    """

    name: str
    stem: str
    file_format: str
    encoding: str | None
    read: Callable[[], Iterator[Record | Reject]]


def record_streams(settings: RecordSettings, *, folder: Path, field: str) -> list[RecordStream]:
    """The streams in their order: as the recipe names them, the files of one folder or pattern sorted by name.

    Args:
        settings: The files, or the hub dataset.
        folder: The folder of the recipe, which relative paths start from.
        field: Where the settings stand in the recipe, for errors.

    Raises:
        DataError: A file is missing, or its format or encoding cannot be told.
    """
    if settings.files is None:
        read = partial(read_hub, settings, folder=folder, field=field)
        stem = settings.subset or Path(settings.hub or "").name
        return [RecordStream(hub_name(settings), stem, "hub", None, read)]
    return [_of_file(path, settings) for path in resolve_files(settings.files, folder=folder, field=f"{field}.files")]


def _of_file(path: Path, settings: RecordSettings) -> RecordStream:
    encoding: str = settings.encoding
    file_format: str = settings.format
    if file_format == "auto":
        file_format = detect_format(path, encoding=encoding)
    if encoding == "auto" and file_format != "parquet":
        encoding = detect_encoding(path)
    read = partial(read_records, path, file_format=file_format, encoding=encoding, columns=settings.columns)
    stem = without_compression(path).stem
    return RecordStream(str(path), stem, file_format, None if file_format == "parquet" else encoding, read)
