"""The line from a base to the same base under a LoRA adapter, walked by the adapter's scale.

With an adapter whose scale is s, a layer's weight is W + s·BA, so θ(a) = base + a·(tuned − base) is the same adapter at
scale a·s: no weight of the base moves, and each point is an adapter of its own that can be saved as one. Modules that
were trained whole beside the adapter lie on the line as weights.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from peft.utils.other import ModulesToSaveWrapper
from torch import Tensor
from transformers import PreTrainedModel

from forgetless.errors import ModelError

from .path import LinearPath
from .tensors import sharing_copy


def path_between(base: PreTrainedModel, tuned: PreTrainedModel | PeftModel, folder: Path) -> LinearPath | AdapterPath:
    """The line from a base to a tuned model: between two whole models, of which one then stands in a file under
    `folder`, or along the scale of an adapter.
    """
    return AdapterPath(tuned) if isinstance(tuned, PeftModel) else LinearPath(base, tuned, folder)


class AdapterPath:
    """Points between a base and the base under an adapter; the tuned model is never changed.

    A second tree of modules over the same weights is moved from point to point; it costs only a copy of the modules
    that were trained whole.

    Args:
        tuned: The base with a LoRA adapter on it, at a = 1.
    """

    def __init__(self, tuned: PeftModel) -> None:
        self._tuned = tuned
        self._point = sharing_copy(tuned, but=[trained for _, trained in _trained_whole(tuned)]).eval()
        self._alpha = float(tuned.active_peft_config.lora_alpha)

    @torch.no_grad()
    def at(self, a: float) -> PeftModel:
        """The model at `a`, in evaluation mode: always the same object, so it holds until the next call.

        Its configuration names the scale, so that saved as an adapter it is read back as this point. Modules trained
        whole are computed in float32 and rounded to their own number format.

        Raises:
            ValueError: `a` lies outside [0, 1].
            ModelError: A DoRA adapter at another point than 1.
        """
        if not 0.0 <= a <= 1.0:
            raise ValueError(f"a point between two models lies in [0, 1], not at {a}")
        config = self._point.active_peft_config
        if config.use_dora and a != 1.0:
            raise ModelError(
                field="evaluation.path",
                value=a,
                rule="there is no line from the base to a DoRA adapter: scaled down, it does not lead to the base",
                way_out="set `evaluation.path: [1.0]`, or `training.output: merged`",
            )
        config.lora_alpha = a * self._alpha
        for layer in self._point.modules():
            if isinstance(layer, LoraLayer):
                for name, rank in layer.r.items():
                    layer.lora_alpha[name] = config.lora_alpha
                    layer.scaling[name] = config.lora_alpha / (math.sqrt(rank) if config.use_rslora else rank)
        for (base, tuned), (_, point) in zip(_trained_whole(self._tuned), _trained_whole(self._point), strict=True):
            start = base.to(torch.float32)
            on_the_line = start + a * (tuned.to(torch.float32) - start)
            point.copy_({0.0: base, 1.0: tuned}.get(a, on_the_line))
        return self._point


def _trained_whole(model: PeftModel) -> list[tuple[Tensor, Tensor]]:
    """The tensors of modules trained beside the adapter, before and after; tied ones once."""
    pairs: dict[int, tuple[Tensor, Tensor]] = {}
    for wrapper in model.modules():
        if isinstance(wrapper, ModulesToSaveWrapper):
            before = dict(wrapper.original_module.named_parameters())
            after = wrapper.modules_to_save[wrapper.active_adapters[0]]
            pairs |= {id(tensor): (before[name], tensor) for name, tensor in after.named_parameters()}
    return list(pairs.values())
