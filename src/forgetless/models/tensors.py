"""The tensors that make up a model, each counted once.

Tied weights appear under several names; the first name in alphabetical order stands for all of them, which is the
same name in every process and after every reload.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn


def distinct_tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and persistent buffers by name, in alphabetical order; of tied tensors only the first name."""
    return first_names(model.state_dict())


def first_names(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The entries of a state dict whose memory no earlier name (in alphabetical order) stands for."""
    seen: set[tuple[object, ...]] = set()
    distinct = {}
    for name in sorted(state):
        tensor = state[name]
        place = (tensor.device, tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype)
        if tensor.numel() and place in seen:
            continue
        seen.add(place)
        distinct[name] = tensor
    return distinct
