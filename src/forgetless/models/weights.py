"""Light checkpoints: the weights that training moves, and nothing else.

A fully trained model leaves one safetensors file; a model with an adapter leaves the adapter. Read back into a model of
the same build, the weights are the same bit for bit.
"""

from __future__ import annotations

from pathlib import Path

import torch
from peft import PeftModel, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from forgetless.errors import ModelError
from forgetless.rundir import replace_folder

from .save import save_adapter
from .tensors import distinct_tensors

_WEIGHTS = "weights.safetensors"
_ADAPTER = "adapter_model.safetensors"


def save_weights_only(model: PreTrainedModel | PeftModel, folder: Path) -> None:
    """Writes the model's weights to a folder, whole or not at all: the adapter where there is one, else everything.

    Raises:
        RunFolderError: The disk is full or the folder cannot be written.
    """
    if isinstance(model, PeftModel):
        save_adapter(model, folder)
        return
    tensors = {name: tensor.contiguous() for name, tensor in distinct_tensors(model).items()}
    replace_folder(folder, lambda temporary: save_file(tensors, temporary / _WEIGHTS))


def load_weights_only(model: PreTrainedModel | PeftModel, folder: Path) -> None:
    """Reads weights that `save_weights_only` wrote into a model, in place.

    Raises:
        ModelError: The folder holds no such weights, or those of another model.
    """
    if isinstance(model, PeftModel):
        stored = _read(folder / _ADAPTER)
        _check_same(stored, get_peft_model_state_dict(model, save_embedding_layers=False), folder)
        set_peft_model_state_dict(model, stored)
        return
    stored = _read(folder / _WEIGHTS)
    present = distinct_tensors(model)
    _check_same(stored, present, folder)
    with torch.no_grad():
        for name, tensor in present.items():
            tensor.copy_(stored[name])


def _read(file: Path) -> dict[str, torch.Tensor]:
    if not file.is_file():
        raise ModelError(
            field="checkpoint",
            value=file.parent,
            rule=f"there is no `{file.name}` in this folder",
            way_out="name a checkpoint that was saved with the same `training.method`",
        )
    return load_file(file)


def _check_same(stored: dict[str, torch.Tensor], present: dict[str, torch.Tensor], folder: Path) -> None:
    wrong = sorted(stored.keys() ^ present.keys())
    wrong += [name for name in stored.keys() & present.keys() if stored[name].shape != present[name].shape]
    if wrong:
        raise ModelError(
            field="checkpoint",
            value=folder,
            rule=f"these weights belong to another model: {len(wrong)} tensors differ in name or shape, such as "
            f"`{wrong[0]}`",
            way_out="load them into the model that they were saved from",
        )
