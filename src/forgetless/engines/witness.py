"""An engine that only listens: what a task asks, kept as it was asked, and answered with nothing.

A task is shown in this way as a model meets it, whatever its scorer makes of an item: one prompt, a prompt with each
of its choices, a text with its examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from forgetless.engines.engine import AnswerLikelihood
from forgetless.progress import Progress
from forgetless.records import Message
from forgetless.sampling import GREEDY, Sampling


class Question(NamedTuple):
    """A conversation that awaits an answer; `given` is the answer whose likelihood is asked for, if any."""

    messages: tuple[Message, ...]
    given: str | None = None


class WitnessEngine:
    """Notes every question in `questions`, in the order in which they were asked."""

    model_hash = "witness"
    settings_hash = "witness"

    def __init__(self) -> None:
        self.questions: list[Question] = []

    def generate(
        self,
        prompts: Sequence[Sequence[Message]],
        *,
        max_new_tokens: int,
        sampling: Sampling = GREEDY,
        stop_texts: Sequence[str] = (),
        progress: Progress | None = None,
    ) -> list[str]:
        """Empty answers."""
        self.questions += [Question(tuple(messages)) for messages in prompts]
        return [""] * len(prompts)

    def continue_texts(
        self,
        texts: Sequence[str],
        *,
        max_new_tokens: int,
        sampling: Sampling,
        progress: Progress | None = None,
    ) -> list[str]:
        """Empty continuations."""
        self.questions += [Question((Message("user", text, raw_text=True),)) for text in texts]
        return [""] * len(texts)

    def write_prompts(
        self,
        beginnings: Sequence[str],
        *,
        max_new_tokens: int,
        sampling: Sampling,
        progress: Progress | None = None,
    ) -> list[str]:
        """Empty prompts."""
        return [""] * len(beginnings)

    def answer_likelihoods(
        self, pairs: Sequence[tuple[Sequence[Message], str]], *, progress: Progress | None = None
    ) -> list[AnswerLikelihood]:
        """Certain answers."""
        self.questions += [Question(tuple(messages), answer) for messages, answer in pairs]
        return [AnswerLikelihood(0.0, 1, len(answer.encode("utf-8")), True) for _, answer in pairs]
