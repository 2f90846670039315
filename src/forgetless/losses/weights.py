"""Weights of tokens: of labelled ones by what the model in training says of them, of held ones as they are given.

In: log-probabilities of some predictions. Out: a weight for each of them, which carries no gradient: a token weighs
more or less, and is not pushed to weigh more or less.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import torch
from torch import Tensor

from forgetless.losses.projection import TokenSum

TokenWeights = Callable[[Tensor, Tensor, slice], Tensor]
"""Gives the weights `[n]` of the tokens `rows`, from `[n, V]` log-probabilities and the `[n]` of their labels."""

_TOP = 20


def entropy_weights(log_probabilities: Tensor, own: Tensor) -> Tensor:
    """EAFT: the entropy of the model's 20 likeliest tokens, renormalised, as a share of the largest there is.

    Near 0 where the model is sure, be it of the label or of something else: there the label would overwrite what it
    knows. arXiv 2601.02151, with α = 1.

    Args:
        log_probabilities: `[n, V]`.
        own: `[n]`, those of the labels; not read.
    """
    top = min(_TOP, log_probabilities.shape[-1])
    kept = torch.log_softmax(log_probabilities.topk(top, dim=-1).values, dim=-1)
    return -(kept.exp() * kept).sum(dim=-1) / math.log(top)


def probability_weights(log_probabilities: Tensor, own: Tensor) -> Tensor:
    """DFT: the model's own probability of the label, which takes the 1 / p out of the gradient of the likelihood.

    Dynamic fine-tuning, arXiv 2508.05629.

    Args:
        log_probabilities: `[n, V]`; not read.
        own: `[n]`, those of the labels.
    """
    return own.exp()


class Weighing:
    """Weighs the KL of tokens, chunk by chunk, and keeps what each would count without a weight.

    Without weights nothing is kept, and sums and gradients are to the bit those that nobody weighs.
    """

    def __init__(self, weights: Tensor | None) -> None:
        self._weights = weights
        self._each: list[Tensor] = []

    def __call__(self, slope: Tensor, rows: slice, *parts: Tensor) -> tuple[Tensor, Tensor]:
        """The value and the gradient of one chunk.

        Args:
            slope: `[n, V]`, the gradient with respect to its logits; may be overwritten.
            rows: Which of all tokens these are.
            parts: `[n, any]` each; the KL of a token is the sum over all of them.
        """
        if self._weights is None:
            return functools.reduce(torch.add, [part.sum() for part in parts]), slope
        each = functools.reduce(torch.add, [part.sum(dim=-1) for part in parts])
        self._each.append(each)
        weights = self._weights[rows].to(each.dtype)
        return (weights * each).sum(), slope.mul_(weights.unsqueeze(-1))

    def told(self, summed: TokenSum) -> TokenSum:
        """The sum over all chunks, with what its tokens count without weights."""
        if self._weights is None:
            return summed
        each = torch.cat(self._each) if self._each else summed.total.detach().new_zeros(0)
        return summed._replace(plain=each.sum(), each=each)
