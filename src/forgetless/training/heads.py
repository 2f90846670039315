"""From hidden states to logits, as a model does it.

In: a causal language model. Out: its backbone's last hidden states for some tokens, and the linear map that turns
them into logits, with the scale and the cap that some families put around it. The losses need both apart, because
they project only the positions they are about.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from forgetless.errors import ModelError
from forgetless.losses import project

_MULTIPLIERS = ("logit_scale", "output_multiplier", "lm_head_multiplier")


@dataclass(frozen=True, slots=True)
class OutputHead:
    """logits = cap(scale · hidden · weightᵀ + bias)."""

    weight: Tensor
    bias: Tensor | None
    scale: float
    softcap: float | None

    @classmethod
    def of(cls, model: PreTrainedModel) -> OutputHead:
        """The head of a model, with the factor and the cap that its configuration names."""
        config = model.config.get_text_config()
        layer = model.get_output_embeddings()
        bias = getattr(layer, "bias", None)
        return cls(layer.weight, bias, _scale(config), getattr(config, "final_logit_softcapping", None))

    def to(self, dtype: torch.dtype) -> OutputHead:
        """The same head in another number format; gradients reach the weights of the model."""
        bias = None if self.bias is None else self.bias.to(dtype)
        return OutputHead(self.weight.to(dtype), bias, self.scale, self.softcap)

    def detached(self, dtype: torch.dtype) -> OutputHead:
        """The same head in another number format, without a way back for gradients."""
        bias = None if self.bias is None else self.bias.detach().to(dtype)
        return OutputHead(self.weight.detach().to(dtype), bias, self.scale, self.softcap)

    def states(self, hidden: Tensor) -> Tensor:
        """Hidden states as the losses want them: the scale is applied here rather than to the logits."""
        return hidden if self.scale == 1.0 else hidden * self.scale


@contextlib.contextmanager
def caught_hidden_states(model: PreTrainedModel) -> Iterator[list[Tensor]]:
    """Collect the last hidden states `[B, L, H]` of every forward pass through `model` inside the context.

    Going through the whole model, rather than calling its backbone, keeps every wrapper around it at work.
    """
    caught: list[Tensor] = []
    hook = model.base_model.register_forward_hook(lambda module, args, output: caught.append(output.last_hidden_state))
    try:
        yield caught
    finally:
        hook.remove()


@torch.no_grad()
def check_head(model: PreTrainedModel) -> None:
    """Make sure that `OutputHead` gives the model's own logits.

    Raises:
        ModelError: They differ, so this model does something to its logits that is not known here.
    """
    vocabulary = model.get_input_embeddings().weight.shape[0]
    input_ids = (torch.arange(12, device=model.device) % vocabulary).view(2, 6)
    with caught_hidden_states(model) as caught:
        logits = model(input_ids=input_ids, use_cache=False).logits.float()
    head = OutputHead.of(model)
    found = project(head.states(caught[0]), head.weight, head.bias, head.softcap)
    tolerance = 1e-3 if head.weight.dtype == torch.float32 else 5e-2
    if not torch.allclose(found, logits, rtol=tolerance, atol=tolerance * float(logits.abs().max())):
        raise ModelError(
            field="training.kl_weight",
            value=type(model).__name__,
            rule="the logits of this model are not a linear map of its last hidden states, as KL and weights need",
            way_out="leave `replay:`, `training.domain_kl_weight` and `training.domain_weights` out, or start from "
            "another model",
        )


def _scale(config: Any) -> float:
    for name in _MULTIPLIERS:
        if getattr(config, name, None) is not None:
            return float(getattr(config, name))
    divisor = getattr(config, "logits_scaling", None)
    if divisor is None:
        return 1.0
    return float(divisor) if config.model_type == "hyperclovax" else 1.0 / float(divisor)
