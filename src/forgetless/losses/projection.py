"""Losses behind the output head, in chunks of tokens.

In: hidden states `[N, H]`, the head's weight `[V, H]`, and a rule that says what one chunk of log-probabilities is
worth and how that value changes with the logits. Out: the sum over all tokens, differentiable in hidden states,
weight and bias.

The logits of a batch are its largest tensor by far (`N * V` numbers). Here only `chunk * V` of them exist at a time:
the gradient with respect to the logits is known in closed form for both losses, so it is taken through the head at
once, in the forward pass, and only the gradients of the inputs are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

_MOST_TOKENS, _MOST_LOGITS = 512, 1 << 25


class TokenSum(NamedTuple):
    """A loss summed over `tokens` tokens, in nats.

    `entropy` is the sum of the entropies of the model's predictions on the same tokens. Where tokens have weights,
    `plain` is what the sum would be without them, and `each` `[tokens]` (of a KL) the addends of that. None of these
    carries a gradient; they are there to be logged.
    """

    total: Tensor
    tokens: int
    entropy: Tensor
    plain: Tensor | None = None
    each: Tensor | None = None


class ChunkLoss(Protocol):
    """What one chunk of predictions is worth."""

    def __call__(self, log_probabilities: Tensor, probabilities: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
        """The loss summed over `rows` and its gradient `[rows, V]` with respect to their logits.

        `probabilities` may be overwritten by the gradient.
        """
        ...


def head_loss(
    hidden: Tensor,
    weight: Tensor,
    measure: ChunkLoss,
    *,
    bias: Tensor | None,
    softcap: float | None,
    chunk: int | None,
) -> TokenSum:
    """Sum `measure` over all tokens without ever holding the logits of more than `chunk` of them.

    Args:
        hidden: `[N, H]`, the states that the head projects.
        weight: `[V, H]`.
        measure: The loss of one chunk.
        bias: `[V]` or none.
        softcap: Bound c of `c * tanh(logits / c)`, for models that cap their logits.
        chunk: Tokens projected at a time; by default see `tokens_at_once`.
    """
    size = chunk or tokens_at_once(weight.shape[0])
    total, entropy = _HeadLoss.apply(hidden, weight, bias, measure, softcap, size)
    return TokenSum(total, hidden.shape[0], entropy)


def tokens_at_once(vocabulary: int) -> int:
    """512 tokens, and fewer of a vocabulary so wide that their logits would be more than 2²⁵ (128 MB in float32)."""
    return max(1, min(_MOST_TOKENS, _MOST_LOGITS // vocabulary))


def project(hidden: Tensor, weight: Tensor, bias: Tensor | None, softcap: float | None) -> Tensor:
    """Logits `[N, V]` in float32 (float64 for float64 inputs)."""
    logits = torch.nn.functional.linear(hidden, weight, bias)
    logits = logits.to(_working_dtype(logits))
    return logits if softcap is None else softcap * torch.tanh(logits / softcap)


class _HeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        measure: ChunkLoss,
        softcap: float | None,
        chunk: int,
    ) -> tuple[Tensor, Tensor]:
        gradients = _Gradients(hidden, weight, bias, needed=ctx.needs_input_grad[:3])
        total = torch.zeros((), dtype=_working_dtype(hidden), device=hidden.device)
        entropy = torch.zeros_like(total)
        for rows in _slices(hidden.shape[0], chunk):
            logits = project(hidden[rows], weight, bias, softcap)
            log_probabilities = torch.log_softmax(logits, dim=-1)
            probabilities = log_probabilities.exp()
            entropy -= (probabilities * log_probabilities).sum()
            value, slope = measure(log_probabilities, probabilities, rows)
            total += value
            if softcap is not None:
                slope = slope * (1.0 - (logits / softcap) ** 2)
            gradients.add(slope, rows)
        ctx.save_for_backward(*gradients.of_inputs())
        ctx.mark_non_differentiable(entropy)
        return total, entropy

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, scale: Tensor, _entropy: Tensor) -> tuple[Tensor | None, ...]:
        scaled = (None if g is None else g * scale.to(g.dtype) for g in ctx.saved_tensors)
        return (*scaled, None, None, None)


class _Gradients:
    """The gradients of the inputs, filled chunk by chunk; those that nobody needs are not computed."""

    def __init__(self, hidden: Tensor, weight: Tensor, bias: Tensor | None, *, needed: tuple[bool, ...]) -> None:
        self._inputs = (hidden, weight, bias)
        working = _working_dtype(hidden)
        self.hidden = torch.empty_like(hidden) if needed[0] else None
        self.weight = torch.zeros_like(weight, dtype=working) if needed[1] else None
        self.bias = torch.zeros_like(bias, dtype=working) if needed[2] and bias is not None else None

    def add(self, slope: Tensor, rows: slice) -> None:
        hidden, weight, _ = self._inputs
        narrow = slope.to(weight.dtype)
        if self.hidden is not None:
            torch.mm(narrow, weight, out=self.hidden[rows])
        if self.weight is not None:
            if self.weight.dtype == weight.dtype:
                self.weight.addmm_(narrow.T, hidden[rows])
            else:
                self.weight += narrow.T @ hidden[rows]
        if self.bias is not None:
            self.bias += slope.sum(dim=0)

    def of_inputs(self) -> Iterator[Tensor | None]:
        for gradient, owner in zip((self.hidden, self.weight, self.bias), self._inputs, strict=True):
            yield None if gradient is None or owner is None else gradient.to(owner.dtype)


def _slices(length: int, chunk: int) -> Iterator[slice]:
    for start in range(0, length, chunk):
        yield slice(start, min(start + chunk, length))


def _working_dtype(tensor: Tensor) -> torch.dtype:
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32
