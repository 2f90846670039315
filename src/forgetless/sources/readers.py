"""Files in, records out: JSONL, JSON, CSV and text, one way of reading them all.

JSONL, CSV and text are streamed; only whole-file JSON is held in memory. A broken record becomes a `Reject` with its
line and the reading goes on; a file that cannot be read at all (wrong encoding, broken whole-file JSON) is a
`DataError`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from forgetless.errors import DataError
from forgetless.sources.csv_reader import read_csv
from forgetless.sources.files import open_text
from forgetless.sources.json_reader import is_json, read_json, read_jsonl
from forgetless.sources.record import Record, Reject

FORMATS = ("jsonl", "json", "csv", "text")

_SUFFIXES = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "text",
    ".text": "text",
    ".md": "text",
}
_BINARY_SUFFIXES = (
    ".parquet",
    ".arrow",
    ".feather",
    ".xlsx",
    ".xls",
    ".ods",
    ".gz",
    ".bz2",
    ".xz",
    ".zst",
    ".zip",
    ".pdf",
)


def read_records(
    path: Path, *, file_format: str = "auto", encoding: str = "utf-8", columns: Sequence[str] | None = None
) -> Iterator[Record | Reject]:
    """Read a file record by record, in file order.

    Args:
        path: An existing file.
        file_format: One of `jsonl`, `json`, `csv`, `text`, or `auto` to tell by the suffix and the first characters.
        encoding: A Python encoding name; a UTF-8 byte order mark is skipped.
        columns: The column names of a CSV file that has no header line.

    Yields:
        A `Record` for every record, or a `Reject` where it cannot be read. A text file yields one record
        `{"text": ...}` for every paragraph (blank lines separate paragraphs).

    Raises:
        DataError: The bytes are not in the encoding, the format cannot be told, whole-file JSON is broken or is not a
            list, or a CSV header names a column twice.
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
    if file_format == "csv":
        with open_text(path, encoding, newline="") as file:
            yield from read_csv(file, path, columns)
        return
    reader = {"jsonl": read_jsonl, "json": read_json, "text": _read_text}[file_format]
    with open_text(path, encoding) as file:
        yield from reader(file, path)


def detect_format(path: Path, *, encoding: str = "utf-8") -> str:
    """The format of a file, by its suffix; JSON is told from JSONL by what it begins with.

    Raises:
        DataError: Neither the suffix nor the beginning says what it is.
    """
    suffix = path.suffix.lower()
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    if suffix in _BINARY_SUFFIXES:
        raise _unknown_format(path, "must be written as JSONL, JSON, CSV or text first")
    with open_text(path, encoding) as file:
        first = next((line for line in file if line.strip()), "").strip()
        follows = any(line.strip() for line in file)
    if first.startswith("{"):
        return "jsonl" if follows and is_json(first) else "json"
    if first.startswith("[") or suffix == ".json":
        return "json"
    raise _unknown_format(path, "has a suffix that does not say what kind of file it is")


def _unknown_format(path: Path, rule: str) -> DataError:
    return DataError(field="format", value=path, rule=rule, way_out=f"set `format:` to one of {', '.join(FORMATS)}")


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
