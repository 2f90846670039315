"""How long generated answers take: reading prompts and writing tokens, apart.

A batch of r rows costs one pass over its prompts and one pass for every token of its longest answer; rows that have
ended take part no more. So with a, p and b fitted to measured calls,

    seconds = a · passes + p · prompt tokens (padding included) + b · tokens fed back, one for each row still going,

and what a number of items will take follows from cutting them into the very batches that the engine would make.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

from forgetless.engines.batches import length_sorted_batches


class Passes(NamedTuple):
    """What the model has to do: forward passes, prompt tokens read, tokens fed back; and tokens that it wrote."""

    passes: int = 0
    prompt_tokens: int = 0
    fed_tokens: int = 0
    written_tokens: int = 0

    def plus(self, other: Passes) -> Passes:
        """Both together."""
        return Passes(*(a + b for a, b in zip(self, other, strict=True)))


@dataclass(frozen=True, slots=True)
class BatchShape:
    """How the engine cuts batches: the most tokens, new ones included, and the most rows."""

    batch_tokens: int
    most_rows: int

    def rows(self, answers: Answers) -> int:
        """How many rows of these lengths fill a batch."""
        longest = max(answers.prompt_tokens) + answers.room
        return max(1, min(self.most_rows, self.batch_tokens // longest))


@dataclass(frozen=True, slots=True)
class Answers:
    """Lengths of prompts and of the answers to them, in tokens, as a sample; an answer has at most `room` tokens."""

    prompt_tokens: tuple[int, ...]
    answer_tokens: tuple[int, ...]
    room: int

    @property
    def cut_percent(self) -> float:
        """How many answers ran out of room."""
        return 100.0 * sum(length >= self.room for length in self.answer_tokens) / len(self.answer_tokens)


@dataclass(frozen=True, slots=True)
class AnsweringLaw:
    """Seconds of a forward pass, of a prompt token and of a token fed back."""

    pass_seconds: float
    prompt_token_seconds: float
    fed_token_seconds: float

    def seconds(self, work: Passes) -> float:
        """How long some work takes."""
        return (
            self.pass_seconds * work.passes
            + self.prompt_token_seconds * work.prompt_tokens
            + self.fed_token_seconds * work.fed_tokens
        )


def passes_for(answers: Answers, rows: int, shape: BatchShape, *, block: int) -> Passes:
    """The work of `rows` answers, the sample taken over and over.

    Args:
        answers: Lengths of a sample.
        rows: How many answers are wanted.
        shape: How the engine cuts batches.
        block: Rows that the engine is given at once.
    """
    prompts = list(islice(cycle(answers.prompt_tokens), rows))
    lengths = list(islice(cycle(answers.answer_tokens), rows))
    total = Passes()
    for start in range(0, rows, block):
        end = start + block
        total = total.plus(_block(prompts[start:end], lengths[start:end], answers.room, shape))
    return total


def fit_law(calls: Sequence[tuple[Passes, float]]) -> AnsweringLaw:
    """The law that fits measured calls best, each by its relative error; no part of it is negative.

    Args:
        calls: What the model had to do, and the seconds that it took.
    """
    if not calls:
        return AnsweringLaw(0.0, 0.0, 0.0)
    work = np.array([call[:3] for call, _ in calls], dtype=np.float64)
    seconds = np.array([took for _, took in calls], dtype=np.float64)
    found, _ = nnls(work / seconds[:, None], np.ones(len(calls)))
    return AnsweringLaw(*(float(value) for value in found))


def _block(prompts: Sequence[int], lengths: Sequence[int], room: int, shape: BatchShape) -> Passes:
    total = Passes()
    whole = [prompt + room for prompt in prompts]
    for batch in length_sorted_batches(whole, batch_tokens=shape.batch_tokens, most_rows=shape.most_rows):
        # The last token that there is room for is written and never fed back.
        fed = [min(lengths[i], room - 1) for i in batch]
        total = total.plus(
            Passes(
                passes=1 + max(fed),
                prompt_tokens=len(batch) * max(prompts[i] for i in batch),
                fed_tokens=sum(fed),
                written_tokens=sum(min(lengths[i] + 1, room) for i in batch),
            )
        )
    return total
