"""Cross-entropy of labelled tokens.

In: the hidden states that predict them, the output head, the labels. Out: the summed negative log-likelihood and
the number of tokens. It exists apart from the model's own loss because only labelled positions are projected, and
those chunk by chunk.
"""

from __future__ import annotations

import torch
from torch import Tensor

from forgetless.losses.projection import DEFAULT_CHUNK, TokenSum, head_loss


def cross_entropy_sum(
    hidden: Tensor,
    weight: Tensor,
    labels: Tensor,
    *,
    bias: Tensor | None = None,
    softcap: float | None = None,
    chunk: int = DEFAULT_CHUNK,
) -> TokenSum:
    """Negative log-likelihood of `labels`, summed, in nats.

    The gradient with respect to the logits is softmax minus one-hot.

    Args:
        hidden: `[N, H]`, the states that predict the labels; positions without a label are left out by the caller.
        weight: `[V, H]`, the output head.
        labels: `[N]`, token ids.
        bias: `[V]` or none.
        softcap: Bound of the logits, for models that cap them.
        chunk: Tokens projected at a time.

    Raises:
        ValueError: A label is negative: a masked position was not left out.
    """
    if labels.numel() and int(labels.min()) < 0:
        raise ValueError(f"labels must be token ids, got {int(labels.min())}: leave masked positions out")

    def measure(log_probabilities: Tensor, probabilities: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
        target = labels[rows].unsqueeze(-1)
        value = -log_probabilities.gather(-1, target).sum()
        return value, probabilities.scatter_add_(-1, target, torch.full_like(target, -1, dtype=probabilities.dtype))

    return head_loss(hidden, weight, measure, bias=bias, softcap=softcap, chunk=chunk)
