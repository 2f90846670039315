"""How likely given answers are, token by token, summed.

A context that several answers share (the choices of one question) is read once for all of them. Answers are fed after
their context from the cache, filled up on the right, where padding can reach nothing that counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from .batches import LOGITS_PER_BATCH, right_padded
from .running import RunningBatch

_NO_TARGET = -100


class Continued(NamedTuple):
    """Token ids of a context and of the answer that continues it; the answer is not empty."""

    context: Sequence[int]
    answer: Sequence[int]


class Likelihood(NamedTuple):
    """Sum of the answer's log-probabilities in nats, and whether each of its tokens was the likeliest."""

    log_likelihood: float
    greedy: bool


def likelihood_batches(pairs: Sequence[Continued], *, batch_tokens: int, vocabulary: int) -> Iterator[list[int]]:
    """Yields the indices of each batch: long contexts first, answers to one context side by side.

    Rows times longest context plus answer stay within `batch_tokens`, and the logits of a batch within
    `LOGITS_PER_BATCH`, but for single rows.
    """
    order = sorted(range(len(pairs)), key=lambda i: (-len(pairs[i].context), tuple(pairs[i].context)))
    batch: list[int] = []
    longest = 0
    for i in order:
        widest = max(longest, len(pairs[i].answer))
        rows = len(batch) + 1
        tokens = rows * (len(pairs[batch[0] if batch else i].context) + widest)
        if batch and (tokens > batch_tokens or rows * widest * vocabulary > LOGITS_PER_BATCH):
            yield batch
            batch, widest = [], len(pairs[i].answer)
        batch.append(i)
        longest = widest
    if batch:
        yield batch


def batch_likelihoods(model: PreTrainedModel, pairs: Sequence[Continued], *, pad_id: int) -> list[Likelihood]:
    """The likelihood of each answer after its context; call within `measuring`."""
    contexts = {tuple(pair.context): None for pair in pairs}
    index = {context: i for i, context in enumerate(contexts)}
    batch = RunningBatch(model, list(contexts), pad_id=pad_id)
    rows = torch.tensor([index[tuple(pair.context)] for pair in pairs], device=batch.logits.device)
    first = right_padded([pair.answer[:1] for pair in pairs], filler=_NO_TARGET, device=rows.device)
    total, greedy = _score(batch.logits[rows, None], first)
    if any(len(pair.answer) > 1 for pair in pairs):
        batch.select(rows)
        fed = right_padded([pair.answer[:-1] for pair in pairs], filler=pad_id, device=rows.device)
        targets = right_padded([pair.answer[1:] for pair in pairs], filler=_NO_TARGET, device=rows.device)
        rest, rest_greedy = _score(batch.feed(fed), targets)
        total, greedy = total + rest, greedy & rest_greedy
    return [Likelihood(value, flag) for value, flag in zip(total.tolist(), greedy.tolist(), strict=True)]


def _score(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of log-probabilities and greediness of each row, for logits [rows, width, vocabulary]."""
    loss = cross_entropy(
        logits.float().flatten(0, 1), targets.flatten(), reduction="none", ignore_index=_NO_TARGET
    ).view(targets.shape)
    matches = (logits.argmax(dim=-1) == targets) | (targets == _NO_TARGET)
    return -loss.double().sum(dim=1), matches.all(dim=1)
