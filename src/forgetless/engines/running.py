"""A batch of sequences inside the model: read once, then extended, thinned out or fanned out.

Generation and likelihoods are the same two moves: read the prompts, keep the key-value cache, feed what follows. The
output layer is applied only where its result is used.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from .batches import left_padded


class RunningBatch:
    """Sequences that a model has read.

    Args:
        model: A causal language model; call within `measuring`.
        prompts: Token ids of each sequence, none empty.
        pad_id: Fills shorter sequences up on the left. Only positions tell padding from text, never this id.

    Attributes:
        logits: What the model expects after each sequence, of shape [rows, vocabulary].
    """

    def __init__(self, model: PreTrainedModel, prompts: Sequence[Sequence[int]], *, pad_id: int) -> None:
        self._model = model
        # The class's own forward: a trainer patches the instance's, and what is measured is the model.
        self._read = type(model).forward
        self._known_arguments = inspect.signature(self._read).parameters
        ids, self._mask = left_padded(prompts, pad_id=pad_id, device=model.device)
        self._lengths = torch.tensor([len(prompt) for prompt in prompts], device=model.device)
        positions = None if self._mask is None else (self._mask.cumsum(1) - 1).clamp(min=0)
        self._cache: Any = None
        self.logits = self._forward(ids, positions, keep=1)[:, -1]

    def select(self, rows: Tensor) -> None:
        """Goes on with these rows, in this order; a row may be left out or appear several times."""
        self._cache.reorder_cache(rows)
        self._lengths = self._lengths[rows]
        if self._mask is not None:
            self._mask = self._mask[rows]

    def feed(self, ids: Tensor) -> Tensor:
        """Reads `ids` of shape [rows, width] and returns the logits after each, of shape [rows, width, vocabulary].

        Ids that only fill up a row on the right change nothing before them, but are remembered like all others.
        """
        width = ids.shape[1]
        positions = None
        if self._mask is not None:
            positions = self._lengths[:, None] + torch.arange(width, device=ids.device)
            self._mask = torch.cat([self._mask, self._mask.new_ones(ids.shape)], dim=1)
        self._lengths = self._lengths + width
        return self._forward(ids, positions, keep=width)

    def _forward(self, ids: Tensor, positions: Tensor | None, *, keep: int) -> Tensor:
        arguments = {
            "attention_mask": self._mask,
            "position_ids": positions,
            "past_key_values": self._cache,
            "use_cache": True,
            "logits_to_keep": keep,
        }
        known = {name: value for name, value in arguments.items() if name in self._known_arguments}
        output = self._read(self._model, input_ids=ids, **known)
        self._cache = output.past_key_values
        return output.logits[:, -keep:]
