"""Checkpoints that are complete or do not count, and of which one can be resumed.

In: a folder that the trainer has filled. Out: `step-N` in the run's folder of checkpoints, which appears in one
rename with `complete.json` inside as its last file; older checkpoints then keep their weights only. At any instant of
a run that has saved once there is exactly one newest state to go on from.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from forgetless.errors import RunFolderError
from forgetless.rundir import atomic_write

SENTINEL = "complete.json"
MIXTURE = "mixture.json"
EXTRA = "extra.json"

_STAGING = ".staging"
_STATE_FILES = (
    "optimizer*",
    "scheduler*",
    "scaler*",
    "rng_state*",
    "trainer_state.json",
    "training_args.bin",
    MIXTURE,
    EXTRA,
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A complete checkpoint.

    `resumable` says whether it still has the state of the optimiser beside its weights; `stopped` is the reason for
    which the run ended there, if it did.
    """

    folder: Path
    step: int
    tokens: int
    stopped: str | None = None
    resumable: bool = True

    @property
    def mixture(self) -> dict[str, Any]:
        """Where the mixture stream stood."""
        return self._read_json(MIXTURE)

    @property
    def extra(self) -> dict[str, Any]:
        """What the caller of `fit` had saved beside the training state."""
        return self._read_json(EXTRA)

    def _read_json(self, name: str) -> dict[str, Any]:
        return json.loads((self.folder / name).read_text(encoding="utf-8"))


def checkpoint_folder(folder: Path, step: int) -> Path:
    """Where the checkpoint of `step` stands in a run's folder of checkpoints."""
    return folder / f"step-{step}"


def staging_folder(folder: Path) -> Path:
    """Where a checkpoint is written before it is complete; nothing in there counts."""
    return folder / _STAGING


def complete_checkpoints(folder: Path) -> list[Checkpoint]:
    """All complete checkpoints of a run, by step."""
    found = [_read(step) for step in _step_folders(folder)]
    return sorted((c for c in found if c is not None), key=lambda c: c.step)


def latest_resumable(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that training can go on from; what a kill left incomplete is removed."""
    shutil.rmtree(staging_folder(folder), ignore_errors=True)
    for step in _step_folders(folder):
        if _read(step) is None:
            shutil.rmtree(step)
    return max((c for c in complete_checkpoints(folder) if c.resumable), key=lambda c: c.step, default=None)


def complete(
    staged: Path,
    folder: Path,
    *,
    step: int,
    tokens: int,
    stopped: str | None,
    mixture: dict[str, Any],
    extra: dict[str, Any],
) -> None:
    """Make a filled folder the checkpoint of `step`, and strip all others down to their weights.

    Args:
        staged: What the trainer has written, on the same disk as `folder`.
        folder: The run's folder of checkpoints.
        step: Optimiser steps done.
        tokens: Training tokens seen.
        stopped: Why the run ends here, if it does.
        mixture: Where the mixture stream stands.
        extra: JSON data of the caller.
    """
    atomic_write(staged / MIXTURE, json.dumps(mixture))
    atomic_write(staged / EXTRA, json.dumps(extra))
    checkpoint = Checkpoint(checkpoint_folder(folder, step), step, tokens, stopped)
    for path in staged.iterdir():
        _flush(path)
    _write_sentinel(staged, checkpoint)
    if checkpoint.folder.exists():
        shutil.rmtree(checkpoint.folder)
    os.replace(staged, checkpoint.folder)
    shutil.rmtree(staging_folder(folder), ignore_errors=True)
    _flush(checkpoint.folder.parent)
    for other in complete_checkpoints(folder):
        if other.step != step:
            _strip(other)


def refuse_leftovers(folder: Path) -> None:
    """Make sure that a new run does not mix with the checkpoints of another.

    Raises:
        RunFolderError: There are some.
    """
    if _step_folders(folder):
        raise RunFolderError(
            field="output",
            value=folder,
            rule="holds checkpoints of an earlier run",
            way_out="go on with it by `--resume`, or choose another `name:` or `output:`",
        )


def _strip(checkpoint: Checkpoint) -> None:
    """Leave the weights only. The sentinel says so before anything is deleted."""
    if checkpoint.resumable:
        stripped = Checkpoint(
            checkpoint.folder, checkpoint.step, checkpoint.tokens, checkpoint.stopped, resumable=False
        )
        _write_sentinel(checkpoint.folder, stripped)
    for pattern in _STATE_FILES:
        for path in checkpoint.folder.glob(pattern):
            path.unlink()


def _write_sentinel(folder: Path, checkpoint: Checkpoint) -> None:
    data = asdict(checkpoint)
    del data["folder"]
    atomic_write(folder / SENTINEL, json.dumps(data))


def _read(folder: Path) -> Checkpoint | None:
    sentinel = folder / SENTINEL
    if not sentinel.exists():
        return None
    return Checkpoint(folder, **json.loads(sentinel.read_text(encoding="utf-8")))


def _step_folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [p for p in folder.iterdir() if p.is_dir() and re.fullmatch(r"step-\d+", p.name)]


def _flush(path: Path) -> None:
    """Push a file, or the entries of a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
