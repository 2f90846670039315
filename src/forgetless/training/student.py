"""The model that is trained, made from the base without touching it.

In: the base model and the training settings. Out: a model of its own: a full copy for full fine-tuning, or, for
LoRA, a second tree of modules over the *same* frozen weights with an adapter on top. In both cases the base stays
what it was and is at hand as the reference of the KL term, with no second copy of its weights.
"""

from __future__ import annotations

import copy

from peft import PeftModel
from transformers import PreTrainedModel

from forgetless.recipe import TrainingSettings
from forgetless.training.adapter import with_adapter
from forgetless.training.freeze import freeze


def make_student(base: PreTrainedModel, settings: TrainingSettings, *, seed: int) -> PreTrainedModel | PeftModel:
    """A trainable model that starts where `base` is.

    Full fine-tuning keeps its weights in float32 whatever the base was loaded in: steps of a fine-tuning run are
    smaller than what bfloat16 can add to a weight. An adapter is float32 as well, over the base as it is.

    Raises:
        RecipeError: The modules to adapt, to train whole or to freeze do not fit this model.
    """
    if settings.lora is not None:
        return with_adapter(base, settings.lora, seed=seed)
    student = copy.deepcopy(base).float().requires_grad_(True)
    freeze(student, settings.freeze)
    return student
