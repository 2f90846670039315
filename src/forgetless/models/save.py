"""Models to folders: whole or not at all, and without touching the model in memory.

A model that carries a LoRA adapter is saved as the plain model that it amounts to. Its layers are merged one at a time
on copies, so saving needs little memory and the model goes on training as if nothing had happened, whatever a
trainer has patched onto it.
"""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.other import AuxiliaryTrainingWrapper, ModulesToSaveWrapper
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from forgetless.errors import ModelError
from forgetless.rundir import hash_folder, replace_folder

from .disk import writing_weights


def save_model(model: PreTrainedModel | PeftModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> str:
    """Saves model and tokenizer as a folder that any transformers program reads.

    Args:
        model: The model; adapters are merged in what is saved, and left alone in memory.
        tokenizer: Its tokenizer, chat template included.
        folder: Where to; replaced as a whole when it exists.

    Returns:
        The hash of the folder's files (`hash_folder`).

    Raises:
        ModelError: An adapter of a kind that cannot be merged.
        RunFolderError: The disk is full or the folder cannot be written.
    """
    plain = plain_model(model)
    state = merged_state(model)
    stored_dtype, stored_architectures = plain.config.dtype, plain.config.architectures

    def fill(temporary: Path) -> None:
        try:
            plain.save_pretrained(temporary, state_dict=state)
        finally:
            # transformers notes dtype and class in the live config while it saves.
            plain.config.dtype, plain.config.architectures = stored_dtype, stored_architectures
        tokenizer.save_pretrained(temporary)

    with writing_weights(folder):
        replace_folder(folder, fill)
    return hash_folder(folder)


def write_adapter(model: PeftModel, folder: Path) -> None:
    """Writes the files of an adapter, without the empty model card that PEFT would add."""
    # Embeddings that were trained stand in the adapter anyway; looking for others would ask the hub.
    model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)


def plain_model(model: PreTrainedModel | PeftModel) -> PreTrainedModel:
    """The transformers model inside a PEFT model, or the model itself."""
    return model.get_base_model() if isinstance(model, PeftModel) else model


def merged_state(model: PreTrainedModel | PeftModel) -> dict[str, torch.Tensor]:
    """The state dict of the plain model that a model with adapters amounts to, on the CPU where it was merged.

    Raises:
        ModelError: An adapter of a kind that cannot be merged (prompt learning, say).
    """
    plain = plain_model(model)
    if not isinstance(model, PeftModel):
        return plain.state_dict()
    if model.active_peft_config.is_prompt_learning:
        raise _unmergeable(type(model).__name__)
    replaced = {
        name: merged_layer(module)
        for name, module in plain.named_modules()
        if isinstance(module, (BaseTunerLayer, AuxiliaryTrainingWrapper))
    }
    inside = tuple(f"{name}." for name in replaced)
    state = {name: tensor for name, tensor in plain.state_dict().items() if not name.startswith(inside)}
    for name, module in replaced.items():
        state |= {f"{name}.{key}": tensor for key, tensor in module.state_dict().items()}
    return state


@torch.no_grad()
def merged_layer(module: nn.Module) -> nn.Module:
    """A copy of one adapted layer's base layer with the adapter merged into it; the layer itself is not changed."""
    if isinstance(module, ModulesToSaveWrapper):
        return module.modules_to_save[module.active_adapters[0]]
    if not isinstance(module, BaseTunerLayer):
        raise _unmergeable(type(module).__name__)
    twin = copy.deepcopy(module)
    for part in twin.modules():
        part.__dict__.pop("forward", None)
    try:
        twin.merge()
    except NotImplementedError:
        raise _unmergeable(type(module).__name__) from None
    return twin.get_base_layer().to("cpu")


def _unmergeable(kind: str) -> ModelError:
    return ModelError(
        field="training.method",
        value=kind,
        rule="this kind of adapter cannot be merged into the model's weights",
        way_out="use a LoRA adapter",
    )
