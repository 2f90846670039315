"""Prompts to continuations, token by token.

The loop is our own for three reasons: rows that have ended leave the batch at once, nothing of the model's shipped
sampling settings takes part, and it reads the model past whatever a trainer has patched onto it. Greedy results are
those of `model.generate`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedModel

from forgetless.sampling import Sampling

from .batches import pass_tokens
from .prefixes import shared_prefix
from .reuse import reuse_of
from .running import RunningBatch


class Continuation(NamedTuple):
    """What the model wrote, without the token that ended it; `stop` is that token, `None` when it ran out of room."""

    ids: list[int]
    stop: int | None


class TokenChooser:
    """Picks the next token of each row: the likeliest at temperature 0, else one drawn from a generator of its own.

    Args:
        sampling: How; its seed decides every draw, whatever the state of torch's global generator.
        device: Where the logits are.
    """

    def __init__(self, sampling: Sampling, device: torch.device) -> None:
        self._temperature = sampling.temperature
        self._top_p = sampling.top_p
        self._generator = torch.Generator(device).manual_seed(sampling.seed)

    def __call__(self, logits: Tensor) -> Tensor:
        """Token ids of shape [rows] for logits of shape [rows, vocabulary]."""
        if self._temperature == 0.0:
            return logits.argmax(dim=-1)
        probabilities = torch.softmax(logits.float() / self._temperature, dim=-1)
        if self._top_p < 1.0:
            probabilities = _nucleus(probabilities, self._top_p)
        return torch.multinomial(probabilities, 1, generator=self._generator)[:, 0]


def _nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    likeliest, order = probabilities.sort(dim=-1, descending=True)
    # A token stays as long as those before it have not reached top_p: the likeliest always does.
    kept = likeliest.where(likeliest.cumsum(dim=-1) - likeliest < top_p, torch.zeros_like(likeliest))
    return torch.zeros_like(probabilities).scatter(-1, order, kept)


def continue_batch(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    *,
    room: Sequence[int],
    stops: Collection[int],
    pad_id: int,
    choose: TokenChooser,
    finished: Callable[[Sequence[int]], bool] | None = None,
) -> list[Continuation]:
    """Continues each prompt until a stop token, or until `room[i]` tokens are written.

    Args:
        model: A causal language model; call within `measuring`.
        prompts: Token ids, none empty.
        room: The most new tokens of each row, at least 1.
        stops: Tokens that end a row.
        pad_id: Fills prompts up.
        choose: Picks the next tokens.
        finished: Looks at what a row has written, and says whether that is enough.
    """
    written: list[list[int]] = [[] for _ in prompts]
    ended: list[int | None] = [None] * len(prompts)
    batch, logits = _read_prompts(model, prompts, columns=max(map(len, prompts)) + max(room), pad_id=pad_id)
    alive = list(range(len(prompts)))
    while True:
        chosen = choose(logits)
        going = []
        for slot, token in enumerate(chosen.tolist()):
            row = alive[slot]
            if token in stops:
                ended[row] = token
                continue
            written[row].append(token)
            if len(written[row]) < room[row] and not (finished and finished(written[row])):
                going.append(slot)
        if not going:
            return [Continuation(ids, stop) for ids, stop in zip(written, ended, strict=True)]
        if len(going) < len(alive):
            slots = torch.tensor(going, device=chosen.device)
            batch.select(slots)
            chosen, alive = chosen[slots], [alive[slot] for slot in going]
        logits = batch.feed(chosen[:, None])[:, -1]


def _read_prompts(
    model: PreTrainedModel, prompts: Sequence[Sequence[int]], *, columns: int, pad_id: int
) -> tuple[RunningBatch, Tensor]:
    """The prompts with the logits after them; what all begin with is read once where that saves more than a pass."""
    prefix = shared_prefix(prompts)
    most = reuse_of(model).prefix_columns
    if (len(prompts) - 1) * prefix <= pass_tokens(model.device) or (most is not None and columns > most):
        batch = RunningBatch(model, len(prompts), pad_id=pad_id)
        return batch, batch.feed_prompts(prompts)
    beginning = RunningBatch(model, 1, pad_id=pad_id)
    beginning.feed_prompts([prompts[0][:prefix]])
    batch = beginning.repeated(len(prompts))
    return batch, batch.feed_prompts([prompt[prefix:] for prompt in prompts])
