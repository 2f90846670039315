"""A few items asked of the base, to learn what all of them will cost.

A task and an engine go in; out comes a sample: how long prompts and answers are, and the seconds that everything else
takes for an item (likelihoods, scoring). The engine is listened to, so nothing here knows how a task scores. Only dev
items are asked, and nothing is kept: a sample is no measurement.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import NamedTuple

from forgetless.engines import AnswerLikelihood, Engine
from forgetless.planning.answering import Answers, BatchShape, Passes, passes_for
from forgetless.progress import Progress
from forgetless.records import Item, Message
from forgetless.sampling import GREEDY, Sampling
from forgetless.tasks import Task
from forgetless.tokens import ChatFormat

Clock = Callable[[], float]
Prompts = Sequence[Sequence[Message]]

FIRST_ITEMS = 8
"""Items of the first try, from which the size of the second is chosen."""

_PROBE_TOKENS = 8
_PROBE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class TaskSample:
    """What an item of a task costs.

    Attributes:
        answers: Lengths of prompts and generated answers; `None` where nothing is generated.
        answers_per_item: Generated answers for each item.
        other_seconds: Seconds for an item beside generation.
    """

    answers: Answers | None
    answers_per_item: float
    other_seconds: float


class Heard(NamedTuple):
    """One call for answers, and the seconds that it took; texts to be continued are noted as raw text."""

    prompts: Prompts
    texts: Sequence[str]
    room: int
    seconds: float


class ListeningEngine:
    """An engine that notes what it was asked and how long the answers took.

    Args:
        engine: Answers.
        format: Counts tokens.
        clock: Tells the time in seconds.
    """

    def __init__(self, engine: Engine, format: ChatFormat, *, clock: Clock = time.perf_counter) -> None:
        self.calls: list[Heard] = []
        self.clock = clock
        self._engine = engine
        self._format = format

    @property
    def model_hash(self) -> str:
        """Hash of the model that answers."""
        return self._engine.model_hash

    @property
    def settings_hash(self) -> str:
        """Hash of everything but the model that may move a result."""
        return self._engine.settings_hash

    def generate(
        self,
        prompts: Prompts,
        *,
        max_new_tokens: int,
        sampling: Sampling = GREEDY,
        stop_texts: Sequence[str] = (),
        progress: Progress | None = None,
    ) -> list[str]:
        """The engine's answers."""
        started = self.clock()
        texts = self._engine.generate(
            prompts,
            max_new_tokens=max_new_tokens,
            sampling=sampling,
            stop_texts=stop_texts,
            progress=progress,
        )
        if prompts:
            self.calls.append(Heard(prompts, texts, max_new_tokens, self.clock() - started))
        return texts

    def continue_texts(
        self,
        texts: Sequence[str],
        *,
        max_new_tokens: int,
        sampling: Sampling = GREEDY,
        progress: Progress | None = None,
    ) -> list[str]:
        """The engine's continuations."""
        started = self.clock()
        written = self._engine.continue_texts(
            texts, max_new_tokens=max_new_tokens, sampling=sampling, progress=progress
        )
        if texts:
            prompts = [(Message("user", text, raw_text=True),) for text in texts]
            self.calls.append(Heard(prompts, written, max_new_tokens, self.clock() - started))
        return written

    def ask_again(self, prompts: Prompts, *, max_new_tokens: int) -> None:
        """Ask what was asked before; raw text, which may be empty, is continued."""
        texts = [_plain(prompt) for prompt in prompts if self._format.writes_plain(prompt)]
        chats = [prompt for prompt in prompts if not self._format.writes_plain(prompt)]
        if texts:
            self.continue_texts(texts, max_new_tokens=max_new_tokens)
        if chats:
            self.generate(chats, max_new_tokens=max_new_tokens)

    def write_prompts(
        self,
        beginnings: Sequence[str],
        *,
        max_new_tokens: int,
        sampling: Sampling,
        progress: Progress | None = None,
    ) -> list[str]:
        """The engine's own prompts."""
        return self._engine.write_prompts(
            beginnings,
            max_new_tokens=max_new_tokens,
            sampling=sampling,
            progress=progress,
        )

    def answer_likelihoods(
        self, pairs: Sequence[tuple[Sequence[Message], str]], *, progress: Progress | None = None
    ) -> list[AnswerLikelihood]:
        """The engine's likelihoods."""
        return self._engine.answer_likelihoods(pairs, progress=progress)

    def lengths(self, calls: Sequence[Heard]) -> Answers:
        """Lengths of prompts and answers in tokens; a text reads back into about the tokens that it came from."""
        prompts = [prompt for call in calls for prompt in call.prompts]
        return Answers(
            prompt_tokens=prompt_lengths(prompts, self._format),
            answer_tokens=tuple(
                min(len(ids), call.room) for call in calls for ids in self._format.pieces.ids(list(call.texts))
            ),
            room=max(call.room for call in calls),
        )

    def work(self, call: Heard, shape: BatchShape) -> Passes:
        """What the model had to do for a call."""
        return passes_for(self.lengths([call]), len(call.prompts), shape, block=len(call.prompts))


def prompt_lengths(prompts: Prompts, format: ChatFormat) -> tuple[int, ...]:
    """Tokens of prompts, ready for the model to answer; of raw texts, for it to continue."""
    chats = iter(format.prompts([prompt for prompt in prompts if not format.writes_plain(prompt)]))
    return tuple(
        len(format.text_start(_plain(prompt)) if format.writes_plain(prompt) else next(chats).ids) for prompt in prompts
    )


def sample_task(task: Task, engine: ListeningEngine, *, seed: int, shape: BatchShape, seconds: float) -> TaskSample:
    """Ask a task's dev items, few at first and then, where those were quick, as many as fill a batch.

    Args:
        task: What to ask.
        engine: Asks the base.
        seed: Draws the items of a fresh task.
        shape: How the engine cuts batches.
        seconds: What the second try may take.
    """
    items = task.items("dev", seed=seed)
    few = items[:FIRST_ITEMS]
    took, calls = _timed(task, engine, few)
    most = min(len(items), shape.rows(engine.lengths(calls))) if calls else len(items)
    affordable = int(len(few) * seconds / took) if took > 0.0 else most
    many = items[: min(most, affordable)]
    if len(many) >= 2 * len(few):
        few = many
        took, calls = _timed(task, engine, few)
    other = max(0.0, took - sum(call.seconds for call in calls)) / len(few)
    if not calls:
        return TaskSample(None, 0.0, other)
    answers = engine.lengths(calls)
    return TaskSample(answers, len(answers.answer_tokens) / len(few), other)


def probe(engine: ListeningEngine, *, shape: BatchShape) -> None:
    """Ask for short answers of one row and of a full batch, so that the costs of a pass and of a row can be told apart.

    The prompts are those that were asked before; where nothing was generated, nothing is asked.

    Args:
        engine: Asks the base, and notes the calls.
        shape: How the engine cuts batches.
    """
    heard = [prompt for call in engine.calls for prompt in call.prompts]
    if not heard:
        return
    room = _PROBE_TOKENS
    started = engine.clock()
    engine.ask_again(heard[:1], max_new_tokens=room)
    one = engine.clock() - started
    full = shape.rows(Answers(engine.lengths(engine.calls).prompt_tokens, (), room))
    affordable = max(FIRST_ITEMS, int(_PROBE_SECONDS / one)) if one > 0.0 else full
    batch = list(islice(cycle(heard), min(full, affordable)))
    for new_tokens in (1, room):
        engine.ask_again(batch, max_new_tokens=new_tokens)


def _plain(prompt: Sequence[Message]) -> str:
    return "\n\n".join(message.content for message in prompt)


def _timed(task: Task, engine: ListeningEngine, items: Sequence[Item]) -> tuple[float, list[Heard]]:
    before = len(engine.calls)
    started = engine.clock()
    task.score(engine, items)
    return engine.clock() - started, engine.calls[before:]
