"""KL divergence from a reference model whose predictions were written down.

In: the hidden states of the model in training, its output head, and for every token the k most likely tokens of the
reference with their log-probabilities, and that of all others together. Out: the summed forward divergence between the
two distributions over those k + 1 outcomes. By data processing it is never more than the divergence over the whole
vocabulary, and with k = V it is that divergence.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from forgetless.losses.projection import TokenSum, head_loss, project, tokens_at_once
from forgetless.losses.weights import Weighing


class TopK(NamedTuple):
    """A reference's predictions of N tokens.

    Attributes:
        ids: `[N, k]`, the most likely tokens, each once.
        log_probabilities: `[N, k]`, theirs.
        tail: `[N]`, the log-probability of all other tokens together; −∞ where there are none.
    """

    ids: Tensor
    log_probabilities: Tensor
    tail: Tensor


@torch.no_grad()
def top_k(
    hidden: Tensor,
    weight: Tensor,
    k: int,
    *,
    bias: Tensor | None = None,
    softcap: float | None = None,
    chunk: int | None = None,
) -> TopK:
    """What a reference says of the tokens that its states predict.

    Args:
        hidden: `[N, H]`, states of the reference.
        weight: `[V, H]`, its head.
        k: At most V.
        bias: `[V]` or none.
        softcap: Bound of the logits, for models that cap them.
        chunk: Tokens projected at a time; by default see `tokens_at_once`.

    Raises:
        ValueError: `k` is larger than the vocabulary, or not positive.
    """
    if not 1 <= k <= weight.shape[0]:
        raise ValueError(f"k must lie between 1 and the vocabulary ({weight.shape[0]}), got {k}")
    size = chunk or tokens_at_once(weight.shape[0])
    parts = [_top_k_of(project(part, weight, bias, softcap), k) for part in hidden.split(size)]
    return TopK(*(torch.cat(columns) for columns in zip(*parts, strict=True)))


def cached_kl_sum(
    hidden: Tensor,
    weight: Tensor,
    reference: TopK,
    *,
    weights: Tensor | None = None,
    bias: Tensor | None = None,
    softcap: float | None = None,
    chunk: int | None = None,
) -> TokenSum:
    """KL(reference ‖ model) over the reference's top k tokens and one bucket for the rest, summed, in nats.

    With p the model's probabilities, q the reference's, and p_r, q_r those of the bucket, the value of a token is
    sum over the k of q_v (log q_v − log p_v), plus q_r (log q_r − log p_r). Its gradient with respect to the model's
    logits is p − q at the k, and p (1 − q_r / p_r) elsewhere.

    Args:
        hidden: `[N, H]`, states of the model in training.
        weight: `[V, H]`, its head.
        reference: Of the same N tokens.
        weights: `[N]`, how much each token counts; none for 1 each. `tokens` counts every token as one.
        bias: `[V]` or none.
        softcap: Bound of the logits, for models that cap them.
        chunk: Tokens projected at a time; by default see `tokens_at_once`.

    Raises:
        ValueError: The reference speaks of another number of tokens.
    """
    if hidden.shape[0] != reference.ids.shape[0]:
        raise ValueError(f"model and reference differ in tokens ({hidden.shape[0]}, {reference.ids.shape[0]})")

    weighing = Weighing(weights)

    def measure(log_probabilities: Tensor, probabilities: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
        ids = reference.ids[rows]
        log_q = reference.log_probabilities[rows].to(log_probabilities.dtype)
        log_q_rest = reference.tail[rows, None].to(log_probabilities.dtype)
        q, q_rest = log_q.exp(), log_q_rest.exp()
        values = [q * (log_q - log_probabilities.gather(-1, ids))]
        slope = probabilities.mul_(q.sum(dim=-1, keepdim=True) + q_rest).scatter_add_(-1, ids, -q)
        if ids.shape[-1] < log_probabilities.shape[-1]:
            rest = log_probabilities.scatter(-1, ids, -math.inf)
            log_p_rest = rest.logsumexp(dim=-1, keepdim=True)
            values.append(torch.where(q_rest > 0, q_rest * (log_q_rest - log_p_rest), 0.0))
            slope -= rest.sub_(log_p_rest).exp_().mul_(q_rest)
        return weighing(slope, rows, *values)

    return weighing.told(head_loss(hidden, weight, measure, bias=bias, softcap=softcap, chunk=chunk))


def _top_k_of(logits: Tensor, k: int) -> TopK:
    log_probabilities = torch.log_softmax(logits, dim=-1)
    likeliest, ids = log_probabilities.topk(k, dim=-1)
    # Not 1 − the sum of the others, which would be rounding noise where they hold almost everything.
    tail = log_probabilities.scatter(-1, ids, -math.inf).logsumexp(dim=-1)
    return TopK(ids, likeliest, tail)
