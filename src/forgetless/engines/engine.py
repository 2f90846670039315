"""The interface between those who ask a model and those who run one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from forgetless.progress import Progress
from forgetless.records import Message
from forgetless.sampling import GREEDY, Sampling


@dataclass(frozen=True, slots=True)
class AnswerLikelihood:
    """How likely a model finds one answer to one conversation.

    Attributes:
        log_likelihood: Sum over the answer's tokens, in nats; the stop token is not counted.
        tokens: How many tokens the answer has for this model.
        bytes: How many UTF-8 bytes it has, whatever the tokenizer.
        greedy: Whether greedy decoding would have begun with this very answer.
    """

    log_likelihood: float
    tokens: int
    bytes: int
    greedy: bool


class Engine(Protocol):
    """A model that can be asked.

    `model_hash` says which model answers, `settings_hash` how it is run: results with the same two hashes and the
    same question are the same.
    """

    @property
    def settings_hash(self) -> str:
        """Hash of everything but the model that may move a result."""
        ...

    @property
    def model_hash(self) -> str:
        """Hash of the model that answers."""
        ...

    def generate(
        self,
        prompts: Sequence[Sequence[Message]],
        *,
        max_new_tokens: int,
        sampling: Sampling = GREEDY,
        stop_texts: Sequence[str] = (),
        progress: Progress | None = None,
    ) -> list[str]:
        """The model's answer to each conversation, in order.

        Thoughts stand before an answer as `forgetless.thoughts` writes them. An answer goes no further than the first
        of `stop_texts`, which does not belong to it.
        """
        ...

    def continue_texts(
        self,
        texts: Sequence[str],
        *,
        max_new_tokens: int,
        sampling: Sampling,
        progress: Progress | None = None,
    ) -> list[str]:
        """What the model writes after each raw text, in order; after an empty one, a text of its own."""
        ...

    def write_prompts(
        self,
        beginnings: Sequence[str],
        *,
        max_new_tokens: int,
        sampling: Sampling,
        progress: Progress | None = None,
    ) -> list[str]:
        """User messages that the model writes by itself from the opening of a conversation, one for each beginning.

        A message goes on from its beginning, which may be empty; it is empty where it does not come to its end.
        """
        ...

    def answer_likelihoods(
        self, pairs: Sequence[tuple[Sequence[Message], str]], *, progress: Progress | None = None
    ) -> list[AnswerLikelihood]:
        """How likely each given answer is after its conversation, in order."""
        ...
