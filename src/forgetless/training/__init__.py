"""Training under the guard: TRL's trainer with a mixture stream, a KL term and checkpoints that survive a kill."""

from forgetless.training.blend import Blend, blend
from forgetless.training.checkpoints import Checkpoint, checkpoint_folder, latest_resumable
from forgetless.training.disk import (
    certifying_bytes,
    checkpoint_bytes,
    least_memory_bytes,
    predicted_bytes,
    reference_bytes,
    saved_bytes,
)
from forgetless.training.fit import FitResult, fit
from forgetless.training.in_ranks import fit_in_ranks, try_steps_in_ranks
from forgetless.training.trial import Trial, fresh_stream, try_steps
from forgetless.training.tuned import checkpoint_model

__all__ = [
    "Blend",
    "Checkpoint",
    "FitResult",
    "Trial",
    "blend",
    "certifying_bytes",
    "checkpoint_bytes",
    "checkpoint_folder",
    "checkpoint_model",
    "fit",
    "fit_in_ranks",
    "fresh_stream",
    "latest_resumable",
    "least_memory_bytes",
    "predicted_bytes",
    "reference_bytes",
    "saved_bytes",
    "try_steps",
    "try_steps_in_ranks",
]
