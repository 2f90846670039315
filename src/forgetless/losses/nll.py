"""Cross-entropy of labelled tokens.

In: the hidden states that predict them, the output head, the labels. Out: the summed negative log-likelihood, weighted
token by token where that is asked for, and the number of tokens. It exists apart from the model's own loss because
only labelled positions are projected, and those chunk by chunk.
"""

from __future__ import annotations

import torch
from torch import Tensor

from forgetless.losses.projection import TokenSum, head_loss, project, tokens_at_once
from forgetless.losses.weights import TokenWeights


def cross_entropy_sum(
    hidden: Tensor,
    weight: Tensor,
    labels: Tensor,
    *,
    weigh: TokenWeights | None = None,
    bias: Tensor | None = None,
    softcap: float | None = None,
    chunk: int | None = None,
) -> TokenSum:
    """Negative log-likelihood of `labels`, summed, in nats.

    The gradient with respect to the logits is softmax minus one-hot, times the token's weight.

    Args:
        hidden: `[N, H]`, the states that predict the labels; positions without a label are left out by the caller.
        weight: `[V, H]`, the output head.
        labels: `[N]`, token ids.
        weigh: Gives the weights of tokens; none for 1 each. They carry no gradient, and `tokens` counts every token as
            one whatever it weighs.
        bias: `[V]` or none.
        softcap: Bound of the logits, for models that cap them.
        chunk: Tokens projected at a time; by default see `tokens_at_once`.

    Raises:
        ValueError: A label is negative: a masked position was not left out.
    """
    if labels.numel() and int(labels.min()) < 0:
        raise ValueError(f"labels must be token ids, got {int(labels.min())}: leave masked positions out")

    plain = torch.zeros((), dtype=torch.float64, device=hidden.device)

    def measure(log_probabilities: Tensor, probabilities: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
        target = labels[rows].unsqueeze(-1)
        own = log_probabilities.gather(-1, target)
        slope = probabilities.scatter_add_(-1, target, torch.full_like(own, -1))
        if weigh is None:
            return -own.sum(), slope
        plain.sub_(own.sum())
        weights = weigh(log_probabilities, own.squeeze(-1), rows).to(own.dtype).unsqueeze(-1)
        return -(weights * own).sum(), slope.mul_(weights)

    found = head_loss(hidden, weight, measure, bias=bias, softcap=softcap, chunk=chunk)
    return found if weigh is None else found._replace(plain=plain)


@torch.no_grad()
def cross_entropy_each(
    hidden: Tensor,
    weight: Tensor,
    labels: Tensor,
    *,
    bias: Tensor | None = None,
    softcap: float | None = None,
    chunk: int | None = None,
) -> Tensor:
    """Negative log-likelihood `[N]` of each label, in nats, without a gradient; arguments as `cross_entropy_sum`."""
    size = chunk or tokens_at_once(weight.shape[0])
    parts = [
        torch.nn.functional.cross_entropy(project(states, weight, bias, softcap), targets, reduction="none")
        for states, targets in zip(hidden.split(size), labels.split(size), strict=True)
    ]
    return torch.cat(parts)
