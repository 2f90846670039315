"""What a checkpoint holds beside the trainer's own state.

In: the mixture stream, the run's folder of checkpoints, and the caller's own state (the guard's). Out: a complete
checkpoint with all of it, and, on resuming, the stream as it stood then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forgetless.mixture import MixtureStream
from forgetless.training.checkpoints import Checkpoint, complete

State = dict[str, Any]


@dataclass(slots=True)
class Savepoint:
    """Saves and restores everything that the trainer does not know of.

    `stopped` is set by whoever ends the run early, before the checkpoint of that step is saved.
    """

    folder: Path
    stream: MixtureStream
    extra_state: Callable[[], State]
    stopped: str | None = None

    @property
    def tokens(self) -> int:
        """Tokens drawn from the stream so far."""
        return sum(self.stream.tokens().values())

    def complete(self, staged: Path, step: int) -> None:
        """Make what the trainer has written to `staged` the checkpoint of `step`."""
        complete(
            staged,
            self.folder,
            step=step,
            tokens=self.tokens,
            stopped=self.stopped,
            mixture=self.stream.state_dict(),
            extra=self.extra_state(),
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Put the stream, and the reason for which the run may have ended, back to where the checkpoint has them."""
        self.stream.load_state_dict(checkpoint.mixture)
        self.stopped = checkpoint.stopped
