"""The engine over a transformers model in this process."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, TypeVar

import torch
import transformers
from peft import PeftModel
from transformers import PreTrainedModel

from forgetless.errors import ModelError
from forgetless.models import LoadedModel, attention_of, plain_model, stop_ids_of
from forgetless.progress import Progress
from forgetless.records import Message
from forgetless.rundir import content_hash
from forgetless.sampling import GREEDY, Sampling
from forgetless.tokens import ChatFormat, Prompt

from .decoding import Continuation
from .engine import AnswerLikelihood
from .likelihood import Continued
from .sharing import Work, continued, scored, shared
from .stops import cut_at

T = TypeVar("T")

_REVISION = 2
"""Raised whenever the way answers are made changes, so that no stored score of the old way is taken for a new one."""


class TransformersEngine:
    """Asks a transformers model, with or without an adapter, in batches.

    Every call leaves the model and the random states as it found them, so it may be made in the middle of training.
    Results come in the order of the questions and do not depend on it, but for the rounding of the hardware.

    Args:
        model: The model, on its device.
        format: How it writes conversations.
        model_hash: What addresses its results.
        batch_tokens: The most tokens of a batch, padding, new tokens and what rows share included; a single longer row
            still goes.
    """

    def __init__(
        self, model: PreTrainedModel | PeftModel, format: ChatFormat, *, model_hash: str, batch_tokens: int = 8192
    ) -> None:
        if isinstance(model, PeftModel) and model.active_peft_config.is_prompt_learning:
            raise ModelError(
                field="model",
                value=type(model).__name__,
                rule="prompt learning is no change of weights, and cannot be measured in batches here",
                way_out="use a LoRA adapter",
            )
        self._outer = model
        self._model = plain_model(model)
        self._format = format
        self._batch_tokens = batch_tokens
        config = self._model.config.get_text_config()
        self._window: int | None = getattr(config, "max_position_embeddings", None)
        self._vocabulary: int = config.vocab_size
        self._stops = frozenset(format.stop_ids) | stop_ids_of(self._model.generation_config)
        self._model_hash = model_hash

    @property
    def model_hash(self) -> str:
        """Hash of the model that answers."""
        return self._model_hash

    @property
    def settings_hash(self) -> str:
        """Hash of everything but the model that may move a result."""
        reading = self._format.reading
        # Added where there are any, so that scores of formats without them stay what they were.
        of_thoughts = [self._format.arguments, reading.marks if reading else None]
        return content_hash(
            type(self).__name__,
            _REVISION,
            self._batch_tokens,
            str(self._model.dtype),
            _device_name(self._model.device),
            torch.__version__,
            transformers.__version__,
            attention_of(self._model),
            sorted(self._stops),
            self._format.template,
            *(of_thoughts if any(of_thoughts) else []),
        )

    def in_smaller_batches(self) -> TransformersEngine:
        """The same model, asked in batches of half the tokens: what only the shape of a batch changes shows there."""
        return TransformersEngine(
            self._outer, self._format, model_hash=self._model_hash, batch_tokens=max(1, self._batch_tokens // 2)
        )

    @property
    def stop_ids(self) -> frozenset[int]:
        """Tokens that end an answer of this model."""
        return self._stops

    def generate(
        self,
        prompts: Sequence[Sequence[Message]],
        *,
        max_new_tokens: int,
        sampling: Sampling = GREEDY,
        stop_texts: Sequence[str] = (),
        progress: Progress | None = None,
    ) -> list[str]:
        """The model's answer to each conversation, without the stop token; thoughts are marked alike for all models.

        Args:
            prompts: Conversations that await the assistant.
            max_new_tokens: An answer is cut there, or where the model's window ends.
            sampling: How its tokens are chosen.
            stop_texts: An answer is cut before the first of them.
            progress: Told of answers done.

        Raises:
            ModelError: A prompt fills the model's window, or the chat template refuses it.
        """
        asked = self.encode_prompts(prompts)
        # A text that stands in the thoughts ends nothing, and thoughts are told from the answer at its end only.
        early = () if self._format.marks_thoughts else tuple(stop_texts)
        ids = [prompt.ids for prompt in asked]
        found = self._continue(ids, max_new_tokens, self._stops, sampling, progress, early)
        answers = self._format.decode_answers(asked, [continuation.ids for continuation in found])
        return [cut_at(answer, stop_texts) for answer in answers] if stop_texts else answers

    def continue_texts(
        self,
        texts: Sequence[str],
        *,
        max_new_tokens: int,
        sampling: Sampling,
        progress: Progress | None = None,
    ) -> list[str]:
        """What the model writes after each raw text; after an empty one, a text of its own.

        Raises:
            ModelError: A text fills the model's window, or is empty and the tokenizer has no token to begin with.
        """
        ids = self.encode_texts(texts)
        found = self._continue(ids, max_new_tokens, self._stops, sampling, progress)
        return self._format.decode_continuations(ids, [continuation.ids for continuation in found])

    def write_prompts(
        self,
        beginnings: Sequence[str],
        *,
        max_new_tokens: int,
        sampling: Sampling,
        progress: Progress | None = None,
    ) -> list[str]:
        """User messages that the model writes by itself from the opening of a conversation, one for each beginning.

        Args:
            beginnings: What a message begins with; may be empty.
            max_new_tokens: A message that does not come to the end of the user's turn by then is given back empty.
            sampling: How its tokens are chosen.
            progress: Told of messages done.

        Raises:
            ModelError: A beginning fills the model's window.
        """
        begun, closing = self._format.begun_turns(beginnings), self._format.user_closing()[0]
        self._check_window([len(ids) + 1 for ids in begun])
        drawn = self._continue(begun, max_new_tokens, self._stops | {closing}, sampling, progress)
        rest = self._format.decode_continuations(begun, [continuation.ids for continuation in drawn])
        return [
            (start + text).strip() if continuation.stop == closing else ""
            for start, text, continuation in zip(beginnings, rest, drawn, strict=True)
        ]

    def answer_likelihoods(
        self, pairs: Sequence[tuple[Sequence[Message], str]], *, progress: Progress | None = None
    ) -> list[AnswerLikelihood]:
        """How likely each given answer is after its conversation.

        Args:
            pairs: A conversation that awaits the assistant, and an answer; an empty answer is certain.
            progress: Told of answers done.

        Raises:
            ModelError: A conversation with its answer is longer than the model's window.
        """
        encoded = self.encode_answers(pairs)
        results = [AnswerLikelihood(0.0, 0, len(answer.encode("utf-8")), True) for _, answer in pairs]
        asked = [i for i, pair in enumerate(encoded) if pair.answer]
        certain = len(pairs) - len(asked)
        told = (lambda done, of: progress(certain + done, certain + of)) if progress is not None else None
        found = self._shared(scored, [encoded[i] for i in asked], progress=told)
        for i, (log_likelihood, greedy) in zip(asked, found, strict=True):
            results[i] = AnswerLikelihood(log_likelihood, len(encoded[i].answer), results[i].bytes, greedy)
        return results

    def encode_prompts(self, prompts: Sequence[Sequence[Message]]) -> list[Prompt]:
        """Conversations, ready to be answered.

        Raises:
            ModelError: A prompt fills the model's window, or the chat template refuses it.
        """
        asked = self._format.prompts(prompts)
        self._check_window([len(prompt.ids) + 1 for prompt in asked])
        return asked

    def encode_texts(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of raw texts, ready to be continued.

        Raises:
            ModelError: A text fills the model's window, or is empty and the tokenizer has no token to begin with.
        """
        ids = [self._format.text_start(text) for text in texts]
        self._check_window([len(text) + 1 for text in ids])
        return ids

    def encode_answers(self, pairs: Sequence[tuple[Sequence[Message], str]]) -> list[Continued]:
        """The ids of conversations and of the answers to them.

        Raises:
            ModelError: A conversation with its answer is longer than the model's window.
        """
        encoded = [Continued(*ids) for ids in self._format.encode_answers(pairs)] if pairs else []
        self._check_window([len(pair.context) + len(pair.answer) for pair in encoded])
        return encoded

    def _continue(
        self,
        prompts: Sequence[Sequence[int]],
        max_new_tokens: int,
        stops: Collection[int],
        sampling: Sampling,
        progress: Progress | None,
        stop_texts: Sequence[str] = (),
    ) -> list[Continuation]:
        window = self._window or max(map(len, prompts), default=0) + max_new_tokens
        room = [min(max_new_tokens, window - len(prompt)) for prompt in prompts]
        return self._shared(continued, prompts, room, stops, sampling, stop_texts, progress=progress)

    def _shared(self, work: Work[T], asked: Sequence[Any], *arguments: Any, progress: Progress | None) -> list[T]:
        loaded = LoadedModel(self._outer, self._format, self._model_hash, name="")
        return shared(loaded, work, self._batch_tokens, asked, *arguments, progress=progress)

    def _check_window(self, lengths: Sequence[int]) -> None:
        if self._window is not None and lengths and max(lengths) > self._window:
            raise ModelError(
                field="prompt",
                value=f"number {max(range(len(lengths)), key=lengths.__getitem__) + 1} of {len(lengths)}",
                rule=f"it needs {max(lengths)} tokens, and the model reads at most {self._window}",
                way_out="leave out or shorten what is longer than the model's window",
            )


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
