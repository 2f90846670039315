"""A checkpoint as the model that a run ships.

In: the base model and a checkpoint's weights, whole or an adapter. Out: a model with no trainer on it, in the base's
number format: a plain one of the base's class, or, where the recipe ships the adapter, the base with the adapter on it.
That is what is saved, walked towards, and certified.
"""

from __future__ import annotations

import copy
from pathlib import Path

from peft import PeftModel
from transformers import PreTrainedModel

from forgetless.models import LoadedModel, attention_of, libraries_silenced, sharing_copy
from forgetless.recipe import TrainingSettings
from forgetless.training.checkpoints import checkpoint_folder
from forgetless.training.student import make_student


def checkpoint_model(
    base: LoadedModel, folder: Path, step: int, settings: TrainingSettings
) -> PreTrainedModel | PeftModel:
    """The model at `step`, in evaluation mode, beside the base.

    Args:
        base: What training started from; it is not changed.
        folder: The run's folder of checkpoints.
        step: Optimiser steps; 0 is the base itself.
        settings: How the weights moved, and whether the adapter is to be merged.
    """
    source = checkpoint_folder(folder, step)
    with libraries_silenced():
        if settings.output == "adapter":
            if step == 0:
                return make_student(base.model, settings, seed=0).eval()
            return PeftModel.from_pretrained(sharing_copy(base.model), str(source)).eval()
        if step == 0:
            return copy.deepcopy(base.model).eval()
        if settings.method == "lora":
            return PeftModel.from_pretrained(copy.deepcopy(base.model), str(source)).merge_and_unload().eval()
        whole = type(base.model).from_pretrained(
            source, dtype=base.model.dtype, attn_implementation=attention_of(base.model)
        )
        return whole.to(base.model.device).eval()
