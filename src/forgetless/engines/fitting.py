"""A rehearsal: can every question be asked, by its length and by the chat template?

It is asked like any engine and answers nothing, so that a task can be rehearsed by its own scorer in milliseconds an
item, before hours of training end at the one question that is too long or that the template refuses.
"""

from __future__ import annotations

from collections.abc import Sequence

from forgetless.engines.engine import AnswerLikelihood
from forgetless.engines.in_process import TransformersEngine
from forgetless.progress import Progress
from forgetless.records import Message
from forgetless.sampling import GREEDY, Sampling


class FittingEngine:
    """Refuses what `engine` could not be asked, and answers everything else with nothing.

    Args:
        engine: The engine that will be asked.
    """

    def __init__(self, engine: TransformersEngine) -> None:
        self._engine = engine
        self.model_hash = engine.model_hash
        self.settings_hash = engine.settings_hash

    def generate(
        self,
        prompts: Sequence[Sequence[Message]],
        *,
        max_new_tokens: int,
        sampling: Sampling = GREEDY,
        stop_texts: Sequence[str] = (),
        progress: Progress | None = None,
    ) -> list[str]:
        """Empty answers.

        Raises:
            ModelError: A prompt fills the model's window, or the chat template refuses it.
        """
        self._engine.encode_prompts(prompts)
        return [""] * len(prompts)

    def continue_texts(
        self,
        texts: Sequence[str],
        *,
        max_new_tokens: int,
        sampling: Sampling,
        progress: Progress | None = None,
    ) -> list[str]:
        """Empty continuations.

        Raises:
            ModelError: A text fills the model's window, or is empty and the tokenizer has no token to begin with.
        """
        self._engine.encode_texts(texts)
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
        """Certain answers.

        Raises:
            ModelError: A conversation with its answer is longer than the model's window.
        """
        self._engine.encode_answers(pairs)
        return [AnswerLikelihood(0.0, 1, len(answer.encode("utf-8")), True) for _, answer in pairs]
