"""One of our engines as a language model of lm-evaluation-harness.

Its requests go in as strings and come back as log-likelihoods and texts. Everything in between (batches, the model's
window, random states, train mode) is the engine's business, so its tasks are asked in the same way as all others, and
the harness' own evaluator can be run on any engine.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.models.utils import normalize_gen_kwargs

from forgetless.engines import Engine
from forgetless.errors import TaskError
from forgetless.progress import Progress
from forgetless.records import Message
from forgetless.sampling import GREEDY, Sampling
from forgetless.thoughts import answer_of

_DEFAULT_NEW_TOKENS = 256
"""What the harness' own models write at most where a task does not say."""

_UNDERSTOOD = {"do_sample", "temperature", "top_p", "until", "max_gen_toks"}


class ChatText(str):
    """A conversation on its way through the harness, which carries prompts as strings."""

    messages: tuple[Message, ...]

    def __new__(cls, messages: Sequence[Message]) -> ChatText:
        text = super().__new__(cls, "\n".join(f"{message.role}: {message.content}" for message in messages))
        text.messages = tuple(messages)
        return text


class _Draw(NamedTuple):
    """How a request wants to be answered."""

    max_new_tokens: int
    sampling: Sampling
    stop_texts: tuple[str, ...]


class EngineLM(LM):
    """Answers the harness' requests by an engine.

    Args:
        engine: Answers.
        seed: Decides the draws of tasks that sample.
        progress: Told of requests done.
    """

    def __init__(self, engine: Engine, *, seed: int = 0, progress: Progress | None = None) -> None:
        super().__init__()
        self._engine = engine
        self._seed = seed
        self._progress = progress

    @property
    def tokenizer_name(self) -> str:
        """What tells prompts of one model from those of another."""
        return self._engine.model_hash

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """The conversation itself: the engine knows how its model writes one.

        Raises:
            TaskError: The task puts words in the mouth of the assistant, which no chat template asks for.
        """
        if not add_generation_prompt:
            raise TaskError(
                field="apply_chat_template",
                value=True,
                rule="this task begins the answer itself (`gen_prefix`), and an answer in a chat template is the "
                "model's own from its first word",
                way_out="set `apply_chat_template: false`",
            )
        return ChatText([Message(turn["role"], turn["content"]) for turn in chat_history])  # type: ignore[arg-type]

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Log-likelihood in nats of each continuation after its context, and whether it is the greedy one.

        Raises:
            ModelError: A request is longer than the model's window.
        """
        pairs = [_pair(context, continuation) for context, continuation in (request.args for request in requests)]
        return [(f.log_likelihood, f.greedy) for f in self._engine.answer_likelihoods(pairs, progress=self._progress)]

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        """Log-likelihood in nats of each text, from the token that a document begins with.

        Raises:
            ModelError: A text is longer than the model's window.
        """
        pairs = [_pair("", text) for (text,) in (request.args for request in requests)]
        return [found.log_likelihood for found in self._engine.answer_likelihoods(pairs, progress=self._progress)]

    def generate_until(self, requests: list[Instance]) -> list[str | None]:
        """The answer to each context, without thoughts, up to the first of the texts that end it.

        `None` stands for one that the engine could not give.

        Raises:
            TaskError: A task samples in a way that engines do not know.
            ModelError: A prompt fills the model's window, or the chat template refuses it.
        """
        alike: dict[_Draw, list[int]] = defaultdict(list)
        for i, request in enumerate(requests):
            alike[_draw(request.args[1], self._seed)].append(i)
        answers: list[str | None] = [None] * len(requests)
        for draw, places in alike.items():
            written: Sequence[str | None] = self._engine.generate(
                [_messages(requests[i].args[0]) for i in places],
                progress=self._progress,
                **draw._asdict(),
            )
            for i, text in zip(places, written, strict=True):
                answers[i] = None if text is None else answer_of(text)
        return answers


def _messages(context: str) -> tuple[Message, ...]:
    if isinstance(context, ChatText):
        return context.messages
    return (Message("user", context, raw_text=True, verbatim=True),)


def _pair(context: str, continuation: str) -> tuple[tuple[Message, ...], str]:
    """White space at the end of a raw text belongs to what follows, for tokens begin with their space."""
    if isinstance(context, ChatText):
        return context.messages, continuation
    begun = context.rstrip()
    return _messages(begun), context[len(begun) :] + continuation


def _draw(wanted: Mapping[str, Any], seed: int) -> _Draw:
    known = normalize_gen_kwargs(dict(wanted), _DEFAULT_NEW_TOKENS)
    temperature = float(known.get("temperature", 1.0 if known.get("do_sample") else 0.0))
    strange = known.keys() - _UNDERSTOOD
    if temperature > 0.0 and strange:
        raise TaskError(
            field="generation_kwargs",
            value=", ".join(sorted(strange)),
            rule="the task samples with settings that are not known here",
            way_out="leave them out in a task file of your own; `temperature` and `top_p` are known",
        )
    return _Draw(
        max_new_tokens=int(known["max_gen_toks"]),
        sampling=Sampling(temperature, float(known.get("top_p", 1.0)), seed) if temperature > 0.0 else GREEDY,
        stop_texts=tuple(text for text in known["until"] if text),
    )
