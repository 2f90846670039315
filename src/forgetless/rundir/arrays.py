"""Arrays that are made once and mapped from disk ever after.

In: what they are made of, their shapes, and a way to fill them. Out: the arrays, read-only. The folder's name is a hash
of what they are made of, so that nothing else is ever taken for them; hashes of the files stand beside them, and a file
that has become another one is made again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from forgetless.errors import ResourceError
from forgetless.rundir.files import atomic_write, content_hash, disk_errors, file_hash, free_bytes, replace_folder

Arrays = dict[str, npt.NDArray[Any]]
_SEAL = "made_of.json"

_verified: set[tuple[str, int]] = set()
"""Folders whose files this process has read and found whole, with the time of their seal."""


class Form(NamedTuple):
    """Shape and number format of an array; no axis is empty."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def bytes(self) -> int:
        """Its size."""
        return math.prod(self.shape) * self.dtype.itemsize


def arrays_folder(cache: Path, made_of: Mapping[str, Any]) -> Path:
    """Where the arrays that are made of this stand, made or not."""
    return cache / content_hash(dict(made_of))


def kept_arrays(
    cache: Path, made_of: Mapping[str, Any], forms: Mapping[str, Form], fill: Callable[[Arrays], None], *, field: str
) -> Arrays:
    """The arrays from disk, mapped; filled and written first where they are not there whole.

    Several processes may ask at once: one of them fills, and the others wait. Files that are there are read once by
    each process, to see that they are what was written.

    Args:
        cache: The folder that keeps all such arrays.
        made_of: Everything that their content depends on, as JSON data.
        forms: Shape and number format by name.
        fill: Called with arrays to write into.
        field: The recipe's name for what they are for, for the error.

    Raises:
        ResourceError: The disk has no room for them.
        RunFolderError: The folder cannot be written.
    """
    folder, made_of = arrays_folder(cache, made_of), json.loads(json.dumps(made_of))
    with disk_errors(cache):
        cache.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not _whole(folder, made_of, forms):
            _check_room(cache, sum(form.bytes for form in forms.values()), field)
            replace_folder(folder, lambda new: _write(new, made_of, forms, fill))
    return {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in forms}


def _write(folder: Path, made_of: Mapping[str, Any], forms: Mapping[str, Form], fill: Callable[[Arrays], None]) -> None:
    arrays = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=form.dtype, shape=form.shape)
        for name, form in forms.items()
    }
    fill(dict(arrays))
    for array in arrays.values():
        array.flush()
    files = {name: file_hash(folder / f"{name}.npy") for name in forms}
    atomic_write(folder / _SEAL, json.dumps({"made_of": made_of, "files": files}, indent=1, sort_keys=True))


def _whole(folder: Path, made_of: Mapping[str, Any], forms: Mapping[str, Form]) -> bool:
    try:
        seal = json.loads((folder / _SEAL).read_text(encoding="utf-8"))
        if not isinstance(seal, dict) or seal.get("made_of") != made_of:
            return False
        found = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in forms}
        if any(Form(found[name].shape, found[name].dtype) != form for name, form in forms.items()):
            return False
        known = str(folder.resolve()), (folder / _SEAL).stat().st_mtime_ns
        if known not in _verified:
            if seal.get("files") != {name: file_hash(folder / f"{name}.npy") for name in forms}:
                return False
            _verified.add(known)
    except (OSError, ValueError):
        return False
    return True


def _check_room(cache: Path, needed: int, field: str) -> None:
    free = free_bytes(cache)
    if needed > free:
        raise ResourceError(
            field=field,
            value=f"{needed / 1e9:.1f} GB in {cache}",
            rule=f"the disk of the cache folder has {free / 1e9:.1f} GB free",
            way_out="free some space, name another place by `FORGETLESS_CACHE`, or write less "
            "(a smaller `training.kl_top_k`, fewer `replay.rows`)",
        )
