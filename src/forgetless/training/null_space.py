"""An adapter that starts where the base's inputs are not.

In: a new adapter over a base, and the replay rows that say what the base is to keep. Out: the same adapter, whose first
factor A reads along the directions in which the inputs of its layer have the least energy over those rows. Its second
factor stays 0, so it still starts as nothing (LoRA-Null, arXiv 2503.02659, takes that start out of the base's weights).
Layers that read the same input share what is found of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers import PreTrainedModel

from forgetless.errors import RecipeError
from forgetless.training.adapter import AdaptedWeight, adapted_weights
from forgetless.training.blend import Blend

_TOKENS_PER_INPUT = 8
"""Tokens that the base reads, for each input of the widest layer: enough to tell weak directions from unseen ones."""

_BYTES_AT_ONCE = 2 << 30
"""Of second moments; of larger models they are found in several passes over the same rows."""

_ROW_NORM = 3**-0.5
"""Of the rows of a factor that starts by default, so that a learning rate means the same."""


@torch.no_grad()
def start_in_null_space(student: PeftModel, base: PreTrainedModel, blended: Blend, *, seed: int) -> None:
    """Let every adapter read along the directions of least energy of its layer's input.

    A layer that no row reaches starts by default: nothing of the base's is in its way.

    Args:
        student: A new adapter over `base`, on linear layers only; changed in place.
        base: In evaluation mode, on its device.
        blended: Holds the replay rows.
        seed: Chooses the rows that are read.

    Raises:
        RecipeError: The replay rows have fewer tokens than a layer has inputs, or an adapter lies on another kind of
            layer.
    """
    adapted = {weight.name: weight for weight in adapted_weights(student, field="init", value="null_space")}
    documents = _sample(blended, widest=max(adapted.values(), key=_inputs), seed=seed)
    widths = {name: _inputs(weight) for name, weight in adapted.items()}
    groups = shared_inputs(base, adapted, documents[0])
    for part in _parts(groups, widths):
        moments = second_moments(base, {group[0]: widths[group[0]] for group in part}, documents)
        for group in part:
            if moments[group[0]].any():
                weakest = torch.linalg.eigh(moments.pop(group[0])).eigenvectors.T
                for name in group:
                    _start(adapted[name].a, weakest)


def shared_inputs(base: PreTrainedModel, names: Iterable[str], document: Tensor) -> list[list[str]]:
    """Layers by the input that they read together, as far as one document tells.

    Args:
        base: Holds the layers.
        names: Of the layers.
        document: Token ids, `[1, L]`.
    """
    names, first = list(names), dict[str, Tensor]()
    with _listening(base, names, first.setdefault):
        _read(base, document)
    groups: dict[int, list[str]] = {}
    for name in names:
        groups.setdefault(id(first.get(name, name)), []).append(name)
    return list(groups.values())


def second_moments(base: PreTrainedModel, widths: Mapping[str, int], documents: Sequence[Tensor]) -> dict[str, Tensor]:
    """Σ x xᵀ over all inputs x of some layers, by layer, `[in, in]`.

    In float64: in float32 the weakest directions would drown in the rounding of the strongest.

    Args:
        base: Holds the layers.
        widths: The layers by name, with the length of their inputs.
        documents: Token ids, each `[1, L]`; read one by one, so that no token is padding and none sees another's.
    """
    found = {name: torch.zeros(width, width, dtype=torch.float64, device=base.device) for name, width in widths.items()}

    def add(name: str, given: Tensor) -> None:
        rows = given.reshape(-1, given.shape[-1]).double()
        found[name].addmm_(rows.T, rows)

    with _listening(base, widths, add):
        for document in documents:
            _read(base, document)
    return found


@contextlib.contextmanager
def _listening(base: PreTrainedModel, names: Iterable[str], hear: Callable[[str, Tensor], object]) -> Iterator[None]:
    """Have `hear` called with a layer's name and its input, whenever one of these layers is used."""

    def hook_of(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(module: nn.Module, given: tuple[Tensor, ...]) -> None:
            hear(name, given[0])

        return hook

    modules = dict(base.named_modules())
    hooks = [modules[name].register_forward_pre_hook(hook_of(name)) for name in names]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _read(base: PreTrainedModel, document: Tensor) -> None:
    base.base_model(input_ids=document.to(base.device), use_cache=False)


def _sample(blended: Blend, *, widest: AdaptedWeight, seed: int) -> list[Tensor]:
    """Replay rows in random order, until they have tokens enough."""
    numbers = [
        (stream, number)
        for stream, kind in enumerate(blended.kinds)
        if kind == "replay"
        for number in blended.documents[stream].numbers()
    ]
    chosen: list[Tensor] = []
    tokens = 0
    for place in np.random.default_rng(seed).permutation(len(numbers)):
        if tokens >= _TOKENS_PER_INPUT * _inputs(widest):
            break
        stream, number = numbers[place]
        chosen.append(torch.tensor([blended.documents[stream][number].input_ids]))
        tokens += chosen[-1].shape[1]
    if tokens < _inputs(widest):
        raise RecipeError(
            field="training.lora.init",
            value="null_space",
            rule=f"all replay rows together have {tokens:,} tokens, and `{widest.name}` takes in {_inputs(widest):,} "
            "numbers: most directions would look empty because nothing was looked at",
            way_out=f"raise `replay.rows`; {_TOKENS_PER_INPUT} tokens for each input are enough. Or set "
            "`init: default`",
        )
    return chosen


def _parts(groups: Sequence[list[str]], widths: Mapping[str, int]) -> Iterator[list[list[str]]]:
    """Groups of layers, as many at once as there is room for their second moments."""
    part: list[list[str]] = []
    held = 0
    for group in groups:
        size = 8 * widths[group[0]] ** 2
        if part and held + size > _BYTES_AT_ONCE:
            yield part
            part, held = [], 0
        part.append(group)
        held += size
    if part:
        yield part


def _inputs(weight: AdaptedWeight) -> int:
    return weight.a.shape[1]


def _start(a: nn.Parameter, weakest: Tensor) -> None:
    """Rows of `weakest` are orthonormal, the weakest first; a factor with more rows than inputs keeps what is left."""
    rows = min(a.shape)
    a[:rows] = (_ROW_NORM * weakest[:rows]).to(a.dtype)
