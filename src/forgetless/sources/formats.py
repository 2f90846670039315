"""A file in, its format out: by the ending of its name, and where that is not enough by how it begins."""

from __future__ import annotations

from pathlib import Path

from forgetless.errors import DataError
from forgetless.sources.compression import without_compression
from forgetless.sources.encodings import SAVE_AS_CSV, detect_encoding, open_text
from forgetless.sources.json_reader import is_json

FORMATS = ("jsonl", "json", "csv", "parquet", "text")

_SUFFIXES = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".txt": "text",
    ".text": "text",
    ".md": "text",
}
_WAYS_OUT = {
    **dict.fromkeys((".xlsx", ".xls", ".ods"), SAVE_AS_CSV),
    **dict.fromkeys((".zip", ".tar", ".7z"), "unpack it and name the files in it"),
    **dict.fromkeys((".arrow", ".feather", ".pdf", ".docx"), "write its content as one of these first"),
}
"""Endings of files that are not read as they are, and what to do with them."""


def format_by_name(path: Path) -> str | None:
    """The format that the ending of a name speaks of, an ending such as `.gz` aside; `None` if it speaks of none."""
    return _SUFFIXES.get(without_compression(path).suffix.lower())


def detect_format(path: Path, *, encoding: str = "auto") -> str:
    """The format of a file, by its name; JSON is told from JSONL by what it begins with.

    Raises:
        DataError: Neither the name nor the beginning says what it is.
    """
    named = format_by_name(path)
    if named is not None and named != "json":
        return named
    suffix = without_compression(path).suffix.lower()
    if suffix in _WAYS_OUT:
        raise DataError(
            field="format",
            value=path,
            rule=f"`{suffix}` is not read; files are JSONL, JSON, CSV, Parquet or text",
            way_out=_WAYS_OUT[suffix],
        )
    with open_text(path, detect_encoding(path) if encoding == "auto" else encoding) as file:
        first = next((line for line in file if line.strip()), "").strip()
        follows = any(line.strip() for line in file)
    if first.startswith("{"):
        return "jsonl" if follows and is_json(first) else "json"
    if first.startswith("[") or named == "json":
        return "json"
    raise DataError(
        field="format",
        value=path,
        rule="has a suffix that does not say what kind of file it is",
        way_out=f"set `format:` to one of {', '.join(FORMATS)}, or rename the file",
    )
