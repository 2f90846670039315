"""The straight line between two models: θ(a) = base + a·(tuned − base).

A certificate walks out along it from the base, and ships the furthest point at which everything was kept. Weight
interpolation as a way to keep abilities: Lin et al., "Mitigating the Alignment Tax of RLHF" (arXiv 2309.06256).
"""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedModel

from forgetless.errors import ModelError

from .mapped import mapped_copies
from .tensors import distinct_tensors


class LinearPath:
    """Points between two models of one architecture; no bit of either is ever changed.

    A third model is moved from point to point, tensor by tensor, in the memory that the weights of `tuned` leave: these
    are mapped from a file from now on, on the host. A tuned model on the CPU can still be asked; one on a GPU stands on
    two devices until it is moved back there, and `at(1.0)` answers for it meanwhile. Tensors that are the same in both
    models are shared with `tuned`.

    Args:
        base: The model at a = 0.
        tuned: The model at a = 1, of the same class, shapes and number format.
        folder: On the disk that takes the file.

    Raises:
        ModelError: The models do not match tensor by tensor.
        RunFolderError: The disk is full, or the folder cannot be written.
    """

    def __init__(self, base: PreTrainedModel, tuned: PreTrainedModel, folder: Path) -> None:
        self._base = distinct_tensors(base)
        self._tuned = distinct_tensors(tuned)
        _check_match(base, tuned, self._base, self._tuned)
        moved = {name for name, tensor in self._tuned.items() if not _same_bits(self._base[name], tensor)}
        still = self._tuned.keys() - moved
        weights = dict(tuned.named_parameters(remove_duplicate=False))
        shared = {id(p): p for name, p in weights.items() if name in still}
        leaving = [w for name, w in weights.items() if name in moved and w.numel() and w.is_contiguous()]
        heirs = {id(w): nn.Parameter(w.data, requires_grad=False) for w in leaving}
        self._point = copy.deepcopy(tuned, shared | heirs).eval()
        for weight, mapped in zip(leaving, mapped_copies(leaving, folder), strict=True):
            weight.data = mapped
        self._tuned = distinct_tensors(tuned)
        point = distinct_tensors(self._point)
        # Counters are no points on a line: integer buffers stay as they are in `tuned`.
        self._moving = {name: point[name] for name in sorted(moved) if point[name].is_floating_point()}

    @torch.no_grad()
    def at(self, a: float) -> PreTrainedModel:
        """The model at `a`, in evaluation mode: always the same object, so it holds until the next call.

        Bit for bit the base at 0 and the tuned model at 1; between them computed in float32 and rounded to the models'
        own number format.

        Raises:
            ValueError: `a` lies outside [0, 1].
        """
        if not 0.0 <= a <= 1.0:
            raise ValueError(f"a point between two models lies in [0, 1], not at {a}")
        for name, target in self._moving.items():
            base, tuned = self._base[name], self._tuned[name]
            if a in (0.0, 1.0):
                target.copy_(tuned if a else base)
                continue
            start = base.to(target.device, torch.float32)
            target.copy_(start + a * (tuned.to(target.device, torch.float32) - start))
        return self._point


def _same_bits(left: torch.Tensor, right: torch.Tensor) -> bool:
    # As bytes: a zero and its negative are equal as numbers.
    as_bytes = [t.contiguous().reshape(-1).view(torch.uint8) for t in (left.to(right.device), right)]
    return torch.equal(*as_bytes)


def _check_match(
    base: PreTrainedModel, tuned: PreTrainedModel, left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]
) -> None:
    if type(base) is not type(tuned):
        raise _mismatch(f"one is a {type(base).__name__}, the other a {type(tuned).__name__}")
    if alone := sorted(left.keys() ^ right.keys()):
        raise _mismatch(f"{len(alone)} tensors are in one model only, such as `{alone[0]}`")
    for name in left:
        described = [f"{tuple(t.shape)} {str(t.dtype).removeprefix('torch.')}" for t in (left[name], right[name])]
        if described[0] != described[1]:
            raise _mismatch(f"`{name}` is {described[0]} in the base and {described[1]} in the tuned model")


def _mismatch(rule: str) -> ModelError:
    return ModelError(
        field="tuned model",
        value="base and tuned model",
        rule=f"there is no line between models that do not match: {rule}",
        way_out="compare a model with what it was fine-tuned from, both loaded in the same `dtype`",
    )
