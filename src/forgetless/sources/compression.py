"""Compressed files in, the bytes that they hold out: the last ending of the name says how a file is compressed."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from forgetless.errors import DataError


def without_compression(path: Path) -> Path:
    """The name that a file would have if it were not compressed: `rows.jsonl` for `rows.jsonl.gz`."""
    return path.with_suffix("") if path.suffix.lower() in _OPENERS else path


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading, decompressed where its name ends in `.gz`, `.bz2`, `.xz` or `.zst`.

    Raises:
        DataError: The file cannot be opened, or is not compressed as its name says. Raised while reading, too.
    """
    opener = _OPENERS.get(path.suffix.lower(), _open_plain)
    try:
        with opener(path) as file:
            yield file
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise DataError(
            field=str(path),
            value=path,
            rule=getattr(error, "strerror", None) or f"cannot be decompressed: {error}",
            way_out="check the path and its permissions, or write the file again",
        ) from None


def _open_plain(path: Path) -> BinaryIO:
    return path.open("rb")


def _open_zstandard(path: Path) -> Any:
    import pyarrow

    return pyarrow.input_stream(str(path), compression="zstd")


_OPENERS: dict[str, Callable[[Path], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": _open_zstandard,
}
