"""What the base says of the tokens that are held.

In: a batch with the held documents in rows of their own, or with what the base is known to say of them. Out: a way to
measure the KL between the base and the student on some of their tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import PreTrainedModel

from forgetless.losses import Direction, TokenSum, TopK, cached_kl_sum, kl_sum
from forgetless.training.heads import OutputHead
from forgetless.training.isolation import Layout, boundaries
from forgetless.training.reference_cache import of_columns

Measure = Callable[[OutputHead, Tensor, Tensor, Tensor | None], TokenSum]
"""The KL of some held tokens, from the student's head, its states at them, which of all held tokens they are, and the
weight of each, where they have any."""


class Reference(Protocol):
    """Gives what the base says of a batch that has held tokens."""

    def reading(self, batch: dict[str, Tensor]) -> Measure:
        """Get it, once for all that is measured of the batch."""
        ...


class CachedReference:
    """What the base said before the first step, as the batch brings it. Nothing of the base is needed."""

    def reading(self, batch: dict[str, Tensor]) -> Measure:
        """Take it from the batch."""
        known = of_columns(batch)

        def measure(head: OutputHead, states: Tensor, chosen: Tensor, weights: Tensor | None) -> TokenSum:
            reference = TopK(*(column[chosen] for column in known))
            return cached_kl_sum(states, head.weight, reference, weights=weights, bias=head.bias, softcap=head.softcap)

        return measure


class LiveReference:
    """The base itself, asked anew for every batch.

    Args:
        base: In evaluation mode; never changed.
        direction: Of the KL.
        layout: How documents are kept apart.
        autocast: Enters the number format of the computation.
    """

    def __init__(
        self,
        base: PreTrainedModel,
        *,
        direction: Direction,
        layout: Layout,
        autocast: Callable[[], AbstractContextManager[Any]],
    ) -> None:
        self._base = base
        self._direction = direction
        self._layout = layout
        self._autocast = autocast

    def reading(self, batch: dict[str, Tensor]) -> Measure:
        """Let the base read the held documents of a batch, once for all that is measured of them."""
        positions = batch["reference_position_ids"]
        with torch.no_grad(), self._autocast():
            hidden = self._base.base_model(
                input_ids=batch["reference_input_ids"],
                position_ids=positions,
                use_cache=False,
                **(boundaries(positions) if self._layout == "flat" else {}),
            ).last_hidden_state
        own = OutputHead.of(self._base)
        hidden = own.states(hidden)[:, :-1][batch["reference_mask"][:, 1:]]

        def measure(head: OutputHead, states: Tensor, chosen: Tensor, weights: Tensor | None) -> TokenSum:
            reference = own.detached(head.weight.dtype)
            return kl_sum(
                states,
                hidden[chosen].to(head.weight.dtype),
                head.weight,
                reference.weight,
                weights=weights,
                bias=head.bias,
                reference_bias=reference.bias,
                direction=self._direction,
                softcap=head.softcap,
            )

        return measure
