"""A checkpoint as a plain model.

In: the base model and a checkpoint's weights, whole or an adapter. Out: a model of the base's class and number
format, with no trainer and no adapter on it: what is saved, walked towards, and certified.
"""

from __future__ import annotations

import copy
from pathlib import Path

from peft import PeftModel
from transformers import PreTrainedModel

from forgetless.models import LoadedModel
from forgetless.recipe import TrainingSettings
from forgetless.training.checkpoints import checkpoint_folder
from forgetless.training.silence import libraries_silenced


def checkpoint_model(base: LoadedModel, folder: Path, step: int, settings: TrainingSettings) -> PreTrainedModel:
    """The model at `step`, in evaluation mode, beside the base.

    Args:
        base: What training started from; it is not changed.
        folder: The run's folder of checkpoints.
        step: Optimiser steps; 0 is the base itself.
        settings: How the weights moved.
    """
    if step == 0:
        return copy.deepcopy(base.model).eval()
    source = checkpoint_folder(folder, step)
    with libraries_silenced():
        if settings.method == "lora":
            model = PeftModel.from_pretrained(copy.deepcopy(base.model), str(source)).merge_and_unload()
        else:
            model = type(base.model).from_pretrained(source, dtype=base.model.dtype).to(base.model.device)
    return model.eval()
