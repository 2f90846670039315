"""The tensors that make up a model, each counted once, and models that share them.

Tied weights appear under several names; the first name in alphabetical order stands for all of them, which is the
same name in every process and after every reload.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Collection, Mapping
from typing import TypeVar

import torch
from torch import nn

Module = TypeVar("Module", bound=nn.Module)


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


def sharing_copy(model: Module, *, but: Collection[torch.Tensor] = ()) -> Module:
    """A second tree of modules over the same parameters and buffers; only those in `but` are copied."""
    own = {id(tensor) for tensor in but}
    scales = (getattr(module, "quant_state", None) for module in model.modules())  # of weights in 4 bits
    shared = itertools.chain(model.parameters(), model.buffers(), scales)
    return copy.deepcopy(model, {id(part): part for part in shared if part is not None and id(part) not in own})
