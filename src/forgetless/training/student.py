"""The model that is trained, made from the base without touching it.

In: the base model and the training settings. Out: a model of its own: a full copy for full fine-tuning, or, for
LoRA, a second tree of modules over the *same* frozen weights with an adapter on top. In both cases the base stays
what it was and is at hand as the reference of the KL term, with no second copy of its weights.
"""

from __future__ import annotations

import copy
import itertools

from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.tuners_utils import BaseTunerLayer
from transformers import PreTrainedModel, set_seed

from forgetless.errors import RecipeError
from forgetless.recipe import LoraSettings, TrainingSettings
from forgetless.training.silence import libraries_silenced


def make_student(base: PreTrainedModel, settings: TrainingSettings, *, seed: int) -> PreTrainedModel | PeftModel:
    """A trainable model that starts where `base` is.

    Full fine-tuning keeps its weights in float32 whatever the base was loaded in: steps of a fine-tuning run are
    smaller than what bfloat16 can add to a weight. An adapter is float32 as well, over the base as it is.

    Raises:
        RecipeError: The adapter's target modules are not in this model, or include its output head.
    """
    if settings.lora is None:
        return copy.deepcopy(base).float().requires_grad_(True)
    return _adapted(base, settings.lora, seed)


def _adapted(base: PreTrainedModel, settings: LoraSettings, seed: int) -> PeftModel:
    targets = settings.target_modules
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=targets if isinstance(targets, str) else list(targets),
    )
    set_seed(seed)
    try:
        with libraries_silenced():
            model = get_peft_model(_same_weights(base), config)
    except ValueError as error:
        raise _unknown_targets(base, targets) from error
    if isinstance(model.get_base_model().get_output_embeddings(), BaseTunerLayer):
        raise RecipeError(
            field="training.lora.target_modules",
            value=targets,
            rule="the output head cannot carry an adapter: losses are taken through its weight directly",
            way_out="leave the head out, or use `all-linear`, which does",
        )
    return model


def _same_weights(base: PreTrainedModel) -> PreTrainedModel:
    """A copy of the modules of `base` that shares its parameters and buffers."""
    shared = {id(tensor): tensor for tensor in itertools.chain(base.parameters(), base.buffers())}
    return copy.deepcopy(base, shared)


def _unknown_targets(base: PreTrainedModel, targets: str | list[str]) -> RecipeError:
    layers = sorted({name.rpartition(".")[2] for name, module in base.named_modules() if hasattr(module, "weight")})
    return RecipeError(
        field="training.lora.target_modules",
        value=targets,
        rule=f"no layer of this model can take an adapter under that name; its layers are {', '.join(layers)}",
        way_out="use `all-linear`, or names from that list",
    )
