"""Weights of labelled tokens, by what the model in training says of them at the moment.

In: log-probabilities of some predictions. Out: a weight for each of them, which carries no gradient: a token weighs
more or less, and is not pushed to weigh more or less.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

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
