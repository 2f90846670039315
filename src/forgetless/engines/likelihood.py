"""How likely given answers are, token by token, summed.

What answers have in common is read once: the beginning of many contexts (instructions, shown examples) for all of them,
a context for all its answers. The first token of an answer is scored where the context ends; only what follows it is
fed, filled up on the right, where padding can reach nothing that counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedModel

from forgetless.ranks import ALL, Part

from .batches import LOGITS_PER_BATCH, lightly_padded, pass_tokens, right_padded
from .prefixes import PrefixGroup, prefix_groups
from .reuse import reuse_of
from .running import RunningBatch, read

_NO_TARGET = -100


class Continued(NamedTuple):
    """Token ids of a context and of the answer that continues it; the answer is not empty."""

    context: Sequence[int]
    answer: Sequence[int]


class Likelihood(NamedTuple):
    """Sum of the answer's log-probabilities in nats, and whether each of its tokens was the likeliest."""

    log_likelihood: float
    greedy: bool


class Limits(NamedTuple):
    """What bounds a batch.

    `tokens` counts the columns of all rows that the model holds, a shared beginning and padding once for each row;
    `logit_rows` how many positions have logits at once; `pass_tokens` what a pass costs beside the tokens that it
    reads. Single rows go in any case.
    """

    tokens: int
    logit_rows: int
    pass_tokens: int


class Asked(NamedTuple):
    """A context, and which answers follow it: their place among all, and their ids."""

    context: Sequence[int]
    answers: Sequence[tuple[int, Sequence[int]]]

    @property
    def fed_rows(self) -> int:
        """Answers of which more than the first token is to be scored."""
        return sum(len(answer) > 1 for _, answer in self.answers)

    @property
    def fed_width(self) -> int:
        """The most tokens that are fed after the context."""
        return max(len(answer) for _, answer in self.answers) - 1


class ContextBatch(NamedTuple):
    """Contexts that go through the model together, and how many tokens they all begin with."""

    prefix: int
    asked: list[Asked]


class _Fed(NamedTuple):
    """An answer to be fed after its context, which is a row of the batch; `place` is the answer's among all."""

    row: int
    place: int
    answer: Sequence[int]


def likelihoods(
    model: PreTrainedModel, pairs: Sequence[Continued], *, pad_id: int, batch_tokens: int, part: Part = ALL
) -> Iterator[dict[int, Likelihood]]:
    """Yields the likelihoods of answers after their contexts, batch by batch, by their indices.

    Args:
        model: A causal language model; call within `measuring`.
        pairs: Contexts and answers; equal contexts are read once.
        pad_id: Fills rows up.
        batch_tokens: The most tokens of a batch, padding and shared beginnings included, but for single rows.
        part: Of which batches.
    """
    vocabulary = model.config.get_text_config().vocab_size
    limits = Limits(batch_tokens, max(1, LOGITS_PER_BATCH // vocabulary), pass_tokens(model.device))
    reuse = reuse_of(model)
    if not reuse.contexts:
        yield from _whole_rows(model, pairs, pad_id=pad_id, limits=limits, part=part)
        return
    beginning = RunningBatch(model, 1, pad_id=pad_id)
    known: Sequence[int] = ()
    batches = context_batches(pairs, limits=limits, prefix_columns=reuse.prefix_columns)
    for batch in part.of_batches(batches):
        shared = batch.asked[0].context[: batch.prefix]
        if shared and shared != known:
            beginning, known = RunningBatch(model, 1, pad_id=pad_id), shared
            beginning.feed_prompts([shared])
        rows = len(batch.asked)
        contexts = beginning.repeated(rows) if shared else RunningBatch(model, rows, pad_id=pad_id)
        yield _likelihoods_of(contexts, batch, limits=limits)


def context_batches(
    pairs: Sequence[Continued], *, limits: Limits, prefix_columns: int | None = None
) -> Iterator[ContextBatch]:
    """Yields every context once, with all its answers; those with one beginning stand side by side.

    Args:
        pairs: Contexts and answers.
        limits: What bounds a batch.
        prefix_columns: The most columns of rows that may share a beginning; `None` for any number.
    """
    answers: dict[tuple[int, ...], list[tuple[int, Sequence[int]]]] = defaultdict(list)
    for place, pair in enumerate(pairs):
        answers[tuple(pair.context)].append((place, pair.answer))
    contexts = list(answers)
    columns = max(map(len, contexts), default=0) + max((len(pair.answer) for pair in pairs), default=0)
    groups = [PrefixGroup(0, list(range(len(contexts))))] if contexts else []
    if prefix_columns is None or columns <= prefix_columns:
        groups = prefix_groups(contexts, pass_tokens=limits.pass_tokens)
    found = []
    for group in groups:
        asked = [Asked(contexts[i], answers[contexts[i]]) for i in group.members]
        found.append([ContextBatch(group.prefix, batch) for batch in _cut(asked, group.prefix, limits)])
    # The longest first: what does not fit into memory is to fail at once.
    for of_group in sorted(found, key=lambda batches: -len(batches[0].asked[0].context)):
        yield from of_group


def _cut(asked: Sequence[Asked], prefix: int, limits: Limits) -> Iterator[list[Asked]]:
    def own(one: Asked) -> int:
        return len(one.context) - prefix

    def fit(rows: Sequence[Asked]) -> bool:
        longest = len(rows[0].context)
        fed_rows, fed_width = sum(one.fed_rows for one in rows), max(one.fed_width for one in rows)
        tokens = prefix + len(rows) * longest + fed_rows * (longest + fed_width)
        return tokens <= limits.tokens and len(rows) <= limits.logit_rows

    return lightly_padded(asked, own, fits=fit, pass_tokens=limits.pass_tokens)


def _likelihoods_of(contexts: RunningBatch, batch: ContextBatch, *, limits: Limits) -> dict[int, Likelihood]:
    """Reads what follows the shared beginning, which `contexts` have read."""
    logits = contexts.feed_prompts([one.context[batch.prefix :] for one in batch.asked])
    answers = [_Fed(row, place, answer) for row, one in enumerate(batch.asked) for place, answer in one.answers]
    found = _first_tokens(logits, answers)
    longest = len(batch.asked[0].context)

    def fit(rows: Sequence[_Fed]) -> bool:
        width = len(rows[0].answer) - 1
        return len(rows) * (longest + width) <= limits.tokens and len(rows) * width <= limits.logit_rows

    longer = [answer for answer in answers if len(answer.answer) > 1]
    for rows in lightly_padded(longer, lambda row: len(row.answer), fits=fit, pass_tokens=limits.pass_tokens):
        after = contexts.branch(torch.tensor([row.row for row in rows], device=logits.device))
        fed = right_padded([row.answer[:-1] for row in rows], filler=contexts.pad_id, device=logits.device)
        targets = right_padded([row.answer[1:] for row in rows], filler=_NO_TARGET, device=logits.device)
        for row, rest in zip(rows, _scored(after.feed(fed), targets), strict=True):
            first = found[row.place]
            total, greedy = first.log_likelihood + rest.log_likelihood, first.greedy and rest.greedy
            found[row.place] = Likelihood(total, greedy)
    return found


def _first_tokens(logits: Tensor, answers: Sequence[_Fed]) -> dict[int, Likelihood]:
    """The likelihood of every answer's first token, from logits [contexts, vocabulary]."""
    rows = torch.tensor([answer.row for answer in answers], device=logits.device)
    tokens = torch.tensor([answer.answer[0] for answer in answers], device=logits.device)
    logits = logits.float()
    values = logits[rows, tokens] - logits.logsumexp(dim=-1)[rows]
    greedy = logits.argmax(dim=-1)[rows] == tokens
    scored = zip(answers, values.tolist(), greedy.tolist(), strict=True)
    return {answer.place: Likelihood(value, flag) for answer, value, flag in scored}


def _whole_rows(
    model: PreTrainedModel, pairs: Sequence[Continued], *, pad_id: int, limits: Limits, part: Part
) -> Iterator[dict[int, Likelihood]]:
    """For models that cannot read on from a context: each answer with its context in one piece."""

    def kept(rows: Sequence[int]) -> int:
        """How many of the last positions of a batch are scored anywhere."""
        longest = len(pairs[rows[0]].context) + len(pairs[rows[0]].answer) - 1
        return longest - min(len(pairs[i].context) for i in rows) + 1

    def fit(rows: Sequence[int]) -> bool:
        longest = len(pairs[rows[0]].context) + len(pairs[rows[0]].answer)
        return len(rows) * longest <= limits.tokens and len(rows) * kept(rows) <= limits.logit_rows

    def length(i: int) -> int:
        return len(pairs[i].context) + len(pairs[i].answer)

    batches = lightly_padded(range(len(pairs)), length, fits=fit, pass_tokens=limits.pass_tokens)
    for rows in part.of_batches(batches):
        found = _scored(*_read_whole(model, [pairs[i] for i in rows], kept(rows), pad_id=pad_id))
        yield dict(zip(rows, found, strict=True))


def _read_whole(model: PreTrainedModel, pairs: Sequence[Continued], kept: int, *, pad_id: int) -> tuple[Tensor, Tensor]:
    """Logits of the last `kept` positions, and the token that each of them is to foretell."""
    joined = [[*pair.context, *pair.answer] for pair in pairs]
    ids = right_padded([row[:-1] for row in joined], filler=pad_id, device=model.device)
    asked = [[_NO_TARGET] * (len(pair.context) - 1) + list(pair.answer) for pair in pairs]
    targets = right_padded(asked, filler=_NO_TARGET, device=model.device)[:, -kept:]
    return read(model, ids, use_cache=False, logits_to_keep=kept).logits[:, -kept:], targets


def _scored(logits: Tensor, targets: Tensor) -> list[Likelihood]:
    """The likelihood of each row's targets, for logits [rows, width, vocabulary]."""
    logits = logits.float()
    counts = targets != _NO_TARGET
    tokens = targets.where(counts, 0)
    values = logits.gather(-1, tokens[..., None])[..., 0] - logits.logsumexp(dim=-1)
    total = values.double().where(counts, 0.0).sum(dim=1)
    greedy = (logits.argmax(dim=-1) == tokens) | ~counts
    return [Likelihood(value, flag) for value, flag in zip(total.tolist(), greedy.all(dim=1).tolist(), strict=True)]
