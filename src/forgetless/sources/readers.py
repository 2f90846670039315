"""A file in, records out: JSONL, JSON, CSV, Parquet and text, one way of reading them all.

Everything but whole-file JSON is streamed. A broken record becomes a `Reject` with its line and the reading goes on;
a file that cannot be read at all (wrong encoding, broken whole-file JSON) is a `DataError`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from forgetless.errors import DataError
from forgetless.sources.csv_reader import read_csv
from forgetless.sources.encodings import detect_encoding, open_text
from forgetless.sources.formats import detect_format
from forgetless.sources.json_reader import read_json, read_jsonl
from forgetless.sources.parquet_reader import read_parquet
from forgetless.sources.record import Record, Reject


def read_records(
    path: Path, *, file_format: str = "auto", encoding: str = "auto", columns: Sequence[str] | None = None
) -> Iterator[Record | Reject]:
    """Read a file record by record, in file order; compressed files as if they were not.

    Args:
        path: An existing file.
        file_format: One of `FORMATS`, or `auto` to tell by the name and the first characters.
        encoding: A Python encoding name, or `auto`; Parquet has none. A byte order mark is skipped.
        columns: The column names of a CSV file that has no header line.

    Yields:
        A `Record` for every record, or a `Reject` where it cannot be read. A text file yields one record
        `{"text": ...}` for every paragraph (blank lines separate paragraphs).

    Raises:
        DataError: The bytes are not in the encoding or leave a doubt about it, the format cannot be told, whole-file
            JSON is broken or is not a list, a CSV header names a column twice, or a Parquet file is broken.
    """
    if file_format == "auto":
        file_format = detect_format(path, encoding=encoding)
    if columns is not None and file_format != "csv":
        raise DataError(
            field="columns",
            value=path,
            rule=f"names the columns of a CSV file, but this is {file_format}",
            way_out="leave `columns:` out, or set `format: csv`",
        )
    if file_format == "parquet":
        yield from read_parquet(path)
        return
    encoding = detect_encoding(path) if encoding == "auto" else encoding
    if file_format == "csv":
        with open_text(path, encoding, newline="") as file:
            yield from read_csv(file, path, columns)
        return
    reader = {"jsonl": read_jsonl, "json": read_json, "text": _read_text}[file_format]
    with open_text(path, encoding) as file:
        yield from reader(file, path)


def _read_text(file: TextIO, path: Path) -> Iterator[Record | Reject]:
    paragraph: list[str] = []
    number = 0
    for number, line in enumerate(file, start=1):
        if line.strip():
            paragraph.append(line.rstrip("\n"))
        elif paragraph:
            yield Record(f"{path}:{number - len(paragraph)}", {"text": "\n".join(paragraph)})
            paragraph = []
    if paragraph:
        yield Record(f"{path}:{number - len(paragraph) + 1}", {"text": "\n".join(paragraph)})
