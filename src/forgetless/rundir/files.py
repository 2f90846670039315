"""Files that are whole or not there, and hashes that address content.

A file is written to a temporary neighbour, flushed and renamed; a folder likewise. What a disk may refuse becomes an
error with a way out.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from forgetless.errors import RunFolderError
from forgetless.records import to_json

_CHUNK_BYTES = 1 << 22
_CANONICAL = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)


def atomic_write(path: Path, data: str | bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        RunFolderError: The disk is full, or the folder cannot be written.
    """
    payload = data.encode("utf-8") if isinstance(data, str) else data
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
        try:
            with temporary.open("wb") as file:
                file.write(payload)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def replace_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Fill a new folder and put it in the place of `folder`.

    `fill` receives the temporary folder. An older `folder` stands aside until the new one is in place, so a kill in
    between leaves at least one of them whole on the disk.
    """
    with disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = folder.with_name(f".{folder.name}.new")
        aside = folder.with_name(f".{folder.name}.old")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        try:
            fill(temporary)
            if folder.exists():
                shutil.rmtree(aside, ignore_errors=True)
                os.replace(folder, aside)
            os.replace(temporary, folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            if aside.exists() and not folder.exists():
                os.replace(aside, folder)
            raise
        shutil.rmtree(aside, ignore_errors=True)


def content_hash(*parts: object) -> str:
    """A short stable hash (32 hex digits) of parts that are JSON data or records."""
    return text_hash(canonical_json(to_json(list(parts))))


def canonical_json(data: object) -> str:
    """The one text that plain JSON data is hashed by."""
    return _CANONICAL.encode(data)


def text_hash(text: str) -> str:
    """A short stable hash (32 hex digits) of a text."""
    return hashlib.blake2b(text.encode("utf-8"), digest_size=16).hexdigest()


def file_hash(path: Path) -> str:
    """A short stable hash (32 hex digits) of the bytes of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def hash_folder(folder: Path) -> str:
    """A hash over the names and bytes of all files below a folder, except hidden ones."""
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder)
        if any(part.startswith(".") for part in name.parts):
            continue
        digest.update(str(name).encode() + b"\0" + str(path.stat().st_size).encode() + b"\0")
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()


def cache_folder() -> Path:
    """Where results that depend on content alone are kept: `$FORGETLESS_CACHE`, or `~/.cache/forgetless`."""
    configured = os.environ.get("FORGETLESS_CACHE")
    return Path(configured).expanduser() if configured else Path.home() / ".cache" / "forgetless"


def free_bytes(folder: Path) -> int:
    """Free space on the disk that will hold `folder`, which need not exist yet."""
    existing = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    return shutil.disk_usage(existing).free


def folder_bytes(folder: Path) -> int:
    """The size of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn what a disk may say no to into an error that the user can act on."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            rule, way_out = "the disk is full", "free some space and go on with `--resume`"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST,
                             errno.ENAMETOOLONG):  # fmt: skip
            rule, way_out = (
                f"cannot be written: {error.strerror}",
                "name a place that may be written to: `output:`, or `FORGETLESS_CACHE`",
            )
        else:
            raise
        raise RunFolderError(field="output", value=path, rule=rule, way_out=way_out) from error
