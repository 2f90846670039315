"""The base model at hand while another one is trained, for a loss that compares the two.

With a LoRA adapter the base is the model with the adapter switched off, and costs no memory; a fully trained model
needs a frozen copy, taken before a trainer patches the model. Both run in evaluation mode, so that a base with dropout
is no noisy reference, and leave no gradient.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, Protocol

import torch
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.other import AuxiliaryTrainingWrapper
from torch import Tensor, nn
from transformers import PreTrainedModel

from forgetless.errors import ModelError

_FOR_THE_BACKBONE = (
    "input_ids", "attention_mask", "position_ids", "cu_seq_lens_q", "cu_seq_lens_k", "max_length_q", "max_length_k",
)  # fmt: skip


class Reference(Protocol):
    """The base model's view of a batch."""

    @property
    def head_weight(self) -> Tensor:
        """The base's output embedding, of shape [vocabulary, hidden]."""
        ...

    def forward(self, **batch: Any) -> Tensor:
        """The base's last hidden states, of shape [rows, tokens, hidden], without gradient.

        Of the batch only ids, positions and masks are read; labels and other columns are ignored.
        """
        ...


class FrozenCopy:
    """The base as a copy of its own: what it says never changes, whatever becomes of the model it was copied from."""

    def __init__(self, model: PreTrainedModel) -> None:
        twin = copy.deepcopy(model)
        for module in twin.modules():
            # A trainer's patched `forward` would be copied as a closure over the original model.
            module.__dict__.pop("forward", None)
        self.model = twin.eval().requires_grad_(False)

    @property
    def head_weight(self) -> Tensor:
        """See `Reference`."""
        return _head_weight(self.model)

    @torch.no_grad()
    def forward(self, **batch: Any) -> Tensor:
        """See `Reference`."""
        return _hidden(self.model, batch)


class AdapterOff:
    """The base as the very model being trained, with its adapter switched off for the time of one pass.

    The switch is the layers' own flag. PEFT's context manager would also make every adapter weight trainable again,
    those included that the user froze.
    """

    def __init__(self, model: PeftModel) -> None:
        self.model = model

    @property
    def head_weight(self) -> Tensor:
        """See `Reference`."""
        with adapters_off(self.model):
            return _head_weight(self.model.get_base_model())

    @torch.no_grad()
    def forward(self, **batch: Any) -> Tensor:
        """See `Reference`."""
        with adapters_off(self.model):
            return _hidden(self.model.get_base_model(), batch)


def make_reference(model: PreTrainedModel | PeftModel, *, method: Literal["full", "lora"]) -> Reference:
    """The reference for a way to train.

    Args:
        model: For `full`, the base before any trainer has touched it; for `lora`, the model with its adapter.
        method: How the weights will move.

    Raises:
        ModelError: `lora`, and the model has no adapter that can be switched off.
    """
    if method == "full":
        return FrozenCopy(model)
    if not isinstance(model, PeftModel) or model.active_peft_config.is_prompt_learning:
        raise ModelError(
            field="training.method",
            value=method,
            rule="the model carries no adapter layers, so there is no base to be had by switching them off",
            way_out="put the LoRA adapter on the model first, or use `method: full`",
        )
    return AdapterOff(model)


@contextmanager
def adapters_off(model: nn.Module) -> Iterator[None]:
    """Within the block, adapters are off and every module is in evaluation mode; after it, all is as before."""
    layers = [m for m in model.modules() if isinstance(m, (BaseTunerLayer, AuxiliaryTrainingWrapper))]
    switches = [layer._disable_adapters for layer in layers]
    modes = [(module, module.training) for module in model.modules()]
    try:
        for layer in layers:
            layer._disable_adapters = True
        for module, _ in modes:
            module.training = False
        yield
    finally:
        for layer, switch in zip(layers, switches, strict=True):
            layer._disable_adapters = switch
        for module, mode in modes:
            module.training = mode


def _hidden(model: PreTrainedModel, batch: dict[str, Any]) -> Tensor:
    inputs = {name: batch[name] for name in _FOR_THE_BACKBONE if batch.get(name) is not None}
    return model.base_model(**inputs, use_cache=False).last_hidden_state


def _head_weight(model: PreTrainedModel) -> Tensor:
    head = model.get_output_embeddings()
    base = head.get_base_layer() if isinstance(head, BaseTunerLayer) else head
    base = base.original_module if isinstance(base, AuxiliaryTrainingWrapper) else base
    return base.weight.detach()
