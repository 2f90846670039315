"""What serialisers say when the disk is full, as the error that every other writer raises."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from forgetless.errors import RunFolderError
from forgetless.rundir import disk_errors

_SIGNS = ("I/O error", "No space left", "iostream error", "unexpected pos", "file write failed")


@contextmanager
def writing_weights(folder: Path) -> Iterator[None]:
    """Run a block that writes tensors below `folder`.

    Raises:
        RunFolderError: The disk is full or the folder cannot be written.
    """
    try:
        with disk_errors(folder):
            yield
    except (SafetensorError, RuntimeError) as error:
        if not any(sign in str(error) for sign in _SIGNS):
            raise
        raise RunFolderError(
            field="output",
            value=folder,
            rule="the disk is full",
            way_out="free some space and go on with `--resume`",
        ) from error
