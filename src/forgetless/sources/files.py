"""File names as a recipe writes them in, existing files out, and text out of them in the right encoding.

A missing file is answered with the nearest name in its folder, and bytes that are not in the stated encoding with
the line and byte at which they stand and the encoding that would read them.
"""

from __future__ import annotations

import codecs
import difflib
import glob
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from forgetless.errors import DataError

_CHUNK_BYTES = 1 << 20
_PROBE_BYTES = 1 << 24


def resolve_files(patterns: Sequence[str], *, folder: Path, field: str) -> list[Path]:
    """The files that names and glob patterns stand for, in the order given, those of one pattern sorted by name.

    Args:
        patterns: File names or glob patterns (`**` reaches into subfolders), relative to `folder` or absolute.
        folder: The folder of the recipe.
        field: The recipe field, for errors.

    Raises:
        DataError: A name stands for no file, for a folder, or for an empty file.
    """
    found: dict[Path, Path] = {}
    for pattern in patterns:
        for path in _matches(pattern, folder=folder, field=field):
            if path.stat().st_size == 0:
                raise DataError(
                    field=field,
                    value=path,
                    rule="the file is empty (0 bytes)",
                    way_out="write it again, or leave it out",
                )
            found.setdefault(path.resolve(), path)
    return list(found.values())


@contextmanager
def open_text(path: Path, encoding: str, *, newline: str | None = None) -> Iterator[TextIO]:
    """Open a text file; a UTF-8 byte order mark is skipped.

    Raises:
        DataError: The encoding is unknown, the file cannot be opened, or its bytes are not in that encoding. Raised
            while reading, too.
    """
    with _opened(path, encoding, newline) as file:
        try:
            yield file
        except UnicodeDecodeError:
            raise _wrong_encoding(path, encoding) from None


def _opened(path: Path, encoding: str, newline: str | None) -> TextIO:
    try:
        return path.open(encoding=_with_byte_order_mark(encoding), newline=newline)
    except LookupError:
        raise DataError(
            field="encoding",
            value=encoding,
            rule="is not a text encoding that Python knows",
            way_out="use `utf-8`, `gb18030`, `cp1252`, `utf-16` or another name from Python's list of encodings",
        ) from None
    except OSError as error:
        raise DataError(
            field=str(path), value=path, rule=str(error.strerror), way_out="check the path and its permissions"
        ) from None


def _with_byte_order_mark(encoding: str) -> str:
    return "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding


def _matches(pattern: str, *, folder: Path, field: str) -> list[Path]:
    path = folder / Path(pattern).expanduser()
    if path.is_file():
        return [path]
    if path.is_dir():
        raise DataError(
            field=field,
            value=pattern,
            rule="is a folder, not a file",
            way_out=f"name its files, as in `{pattern}/*.jsonl`",
        )
    if glob.has_magic(pattern):
        matches = sorted(Path(name) for name in glob.glob(str(path), recursive=True))
        if files := [match for match in matches if match.is_file()]:
            return files
        raise DataError(
            field=field,
            value=pattern,
            rule=f"matches no file below {folder}",
            way_out="check the pattern and the folder",
        )
    raise _missing(path, pattern, folder=folder, field=field)


def _missing(path: Path, pattern: str, *, folder: Path, field: str) -> DataError:
    neighbours = sorted(p.name for p in path.parent.iterdir() if p.is_file()) if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, neighbours, n=1, cutoff=0.6)
    way_out = f"did you mean `{Path(pattern).with_name(near[0])}`?" if near else f"paths are relative to {folder}"
    return DataError(field=field, value=pattern, rule="there is no such file", way_out=way_out)


def _wrong_encoding(path: Path, encoding: str) -> DataError:
    line, offset = _first_undecodable(path, encoding)
    guess = _guess_encoding(path)
    return DataError(
        field=str(path),
        value=f"line {line:,}, byte {offset:,} of the file",
        rule=f"the bytes are not `{encoding}` text",
        way_out=f"if the file was saved in another encoding, name it, as in `encoding: {guess}`",
    )


def _first_undecodable(path: Path, encoding: str) -> tuple[int, int]:
    """Line (from 1) and byte (from 0) at which decoding stops."""
    decoder = codecs.getincrementaldecoder(encoding)()
    lines, consumed = 1, 0
    with path.open("rb") as file:
        while True:
            chunk = file.read(_CHUNK_BYTES)
            try:
                lines += decoder.decode(chunk, final=not chunk).count("\n")
            except UnicodeDecodeError as error:
                # The decoder kept the beginning of a character from the chunk before: it stands in front of this one.
                kept = len(error.object) - len(chunk)
                lines += error.object[: error.start].decode(encoding, "replace").count("\n")
                return lines, consumed - kept + error.start
            consumed += len(chunk)
            if not chunk:
                return lines, consumed


def _guess_encoding(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(_PROBE_BYTES)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("gb18030")().decode(data)
    except UnicodeDecodeError:
        return "cp1252"
    return "gb18030"
