"""A thing from the first process to all others: its structure pickled, its tensors sent one by one.

Pickled whole, the weights of a model would stand in memory three times, and could not go from GPU to GPU.
"""

from __future__ import annotations

import io
import pickle
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

from forgetless.errors import ResourceError


class _Shape(NamedTuple):
    """What a process needs to know of a tensor to make room for it; `parameter` says whether it is one, and trained."""

    size: tuple[int, ...]
    dtype: torch.dtype
    device: str
    parameter: bool
    trained: bool


class _Packer(pickle.Pickler):
    """Pickles everything but tensors, which it numbers; one that stands in several places has one number."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.tensors: list[Tensor] = []
        self._numbers: dict[int, int] = {}

    def persistent_id(self, thing: Any) -> int | None:
        if not isinstance(thing, Tensor):
            return None
        number = self._numbers.setdefault(id(thing), len(self.tensors))
        if number == len(self.tensors):
            if getattr(thing, "quant_state", None) is not None:
                raise ResourceError(
                    field="torchrun",
                    value="a base in 4 bits",
                    rule="weights of this kind cannot be sent to another process",
                    way_out="start one process, or train LoRA over the base in bfloat16 (`model.dtype: bfloat16`)",
                )
            self.tensors.append(thing)
        return number


class _Unpacker(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, tensors: list[Tensor]) -> None:
        super().__init__(file)
        self._tensors = tensors

    def persistent_load(self, number: int) -> Tensor:
        return self._tensors[number]


def send(thing: Any) -> None:
    """Send to every other process, each of which calls `receive`."""
    file = io.BytesIO()
    packer = _Packer(file)
    packer.dump(thing)
    shapes = [
        _Shape(tuple(t.shape), t.dtype, t.device.type, isinstance(t, torch.nn.Parameter), t.requires_grad)
        for t in packer.tensors
    ]
    dist.broadcast_object_list([file.getvalue(), shapes])
    for tensor in packer.tensors:
        _broadcast(tensor.detach().contiguous())


def receive() -> Any:
    """What the first process sends, on this process' own device."""
    heard: list[Any] = [None, None]
    dist.broadcast_object_list(heard)
    pickled, shapes = heard
    tensors = []
    for shape in shapes:
        tensor = torch.empty(shape.size, dtype=shape.dtype, device=shape.device)
        _broadcast(tensor)
        tensors.append(torch.nn.Parameter(tensor, shape.trained) if shape.parameter else tensor)
    return _Unpacker(io.BytesIO(pickled), tensors).load()


def _broadcast(tensor: Tensor) -> None:
    """As bytes, for there are number formats that gloo does not know."""
    if tensor.numel():
        dist.broadcast(tensor.reshape(-1).view(torch.uint8), src=0)
