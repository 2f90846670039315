"""Training under the guard: TRL's trainer with a mixture stream, a KL term and checkpoints that survive a kill."""

from forgetless.training.blend import Blend, blend
from forgetless.training.checkpoints import Checkpoint, checkpoint_folder, latest_resumable
from forgetless.training.disk import predicted_bytes
from forgetless.training.fit import FitResult, fit
from forgetless.training.tuned import checkpoint_model

__all__ = [
    "Blend",
    "Checkpoint",
    "FitResult",
    "blend",
    "checkpoint_folder",
    "checkpoint_model",
    "fit",
    "latest_resumable",
    "predicted_bytes",
]
