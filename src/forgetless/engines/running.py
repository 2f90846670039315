"""A batch of sequences inside the model: read once, then extended, thinned out or fanned out.

Generation and likelihoods are the same two moves: read the prompts, keep the key-value cache, feed what follows. The
output layer is applied only where its result is used.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from .batches import left_padded


def read(model: PreTrainedModel, ids: Tensor, **arguments: Any) -> Any:
    """One pass through the model, told those of the arguments that it knows.

    It is the class's own forward: a trainer patches the instance's, and what is measured is the model.
    """
    forward = type(model).forward
    known = known_arguments(forward)
    return forward(model, input_ids=ids, **{name: value for name, value in arguments.items() if name in known})


@functools.cache
def known_arguments(forward: Callable[..., Any]) -> frozenset[str]:
    """The names of what a forward can be told."""
    return frozenset(inspect.signature(forward).parameters)


class RunningBatch:
    """Sequences that a model reads side by side.

    Args:
        model: A causal language model; call within `measuring`.
        rows: How many.
        pad_id: Fills shorter sequences up on the left. Only positions tell padding from text, never this id.
    """

    def __init__(self, model: PreTrainedModel, rows: int, *, pad_id: int) -> None:
        self._model = model
        self.pad_id = pad_id
        self._cache: Any = None
        self._mask: Tensor | None = None
        self._columns = 0
        self._lengths = torch.zeros(rows, dtype=torch.long, device=model.device)

    def select(self, rows: Tensor) -> None:
        """Goes on with these rows, in this order; a row may be left out or appear several times."""
        self._cache.reorder_cache(rows)
        self._lengths = self._lengths[rows]
        if self._mask is not None:
            self._mask = self._mask[rows]

    def branch(self, rows: Tensor) -> RunningBatch:
        """These rows as a batch of their own, which leaves this one as it is."""
        branch = copy.copy(self)
        # Layers put new tensors in place of old ones and never write into them, so those may be shared.
        branch._cache = copy.copy(self._cache)
        branch._cache.layers = [copy.copy(layer) for layer in self._cache.layers]
        branch.select(rows)
        return branch

    def repeated(self, rows: int) -> RunningBatch:
        """The first row so many times, as a batch of its own."""
        return self.branch(torch.zeros(rows, dtype=torch.long, device=self._model.device))

    def feed_prompts(self, prompts: Sequence[Sequence[int]]) -> Tensor:
        """Reads the token ids of each row, none empty, and returns the logits after them: [rows, vocabulary]."""
        ids, real = left_padded(prompts, pad_id=self.pad_id, device=self._model.device)
        return self._feed(ids, real, keep=1)[:, -1]

    def feed(self, ids: Tensor) -> Tensor:
        """Reads `ids` of shape [rows, width] and returns the logits after each, of shape [rows, width, vocabulary].

        Ids that only fill up a row on the right change nothing before them, but are remembered like all others.
        """
        return self._feed(ids, None, keep=ids.shape[1])

    def _feed(self, ids: Tensor, real: Tensor | None, *, keep: int) -> Tensor:
        """`real` tells ids from padding, `None` where all are ids."""
        if real is None and self._mask is not None:
            real = torch.ones_like(ids)
        positions = None
        if real is not None:
            positions = self._lengths[:, None] + (real.cumsum(1) - 1).clamp(min=0)
            before = self._mask if self._mask is not None else ids.new_ones(len(ids), self._columns)
            self._mask = torch.cat([before, real], dim=1)
        self._columns += ids.shape[1]
        self._lengths = self._lengths + (ids.shape[1] if real is None else real.sum(1))
        output = read(
            self._model,
            ids,
            attention_mask=self._mask,
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=keep,
        )
        self._cache = output.past_key_values
        return output.logits[:, -keep:]
