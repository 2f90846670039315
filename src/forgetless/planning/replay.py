"""A few replay rows, written to see how long the others will be and take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from forgetless.planning.answering import AnsweringLaw, Answers, BatchShape, passes_for
from forgetless.planning.asking import ListeningEngine, prompt_lengths
from forgetless.recipe import ReplaySettings
from forgetless.records import Message
from forgetless.synthesis import Prompt, ReplayState, answer_sampling, as_asked, continues_texts, write_prompts
from forgetless.tokens import ChatFormat

_SAMPLE_ROWS = 16
_SEED = 0


@dataclass(frozen=True, slots=True)
class ReplaySample:
    """A few rows as the base writes them.

    Attributes:
        prompts: Prompts that it wrote itself; none where they are given.
        answers: Its answers, to those prompts or to given ones.
        writing: Lengths of the self-written prompts after the opening that they continue, if there are any.
        writing_seconds: What they took, those drawn again because they did not come to an end included.
        answering: Lengths of prompts and answers.
    """

    prompts: tuple[str, ...]
    answers: tuple[str, ...]
    writing: Answers | None
    writing_seconds: float
    answering: Answers

    def as_prompts(self, format: ChatFormat) -> list[Prompt]:
        """The self-written prompts as they are put to the base."""
        return _as_asked(self.prompts, format)


def sample_replay(
    settings: ReplaySettings, state: ReplayState, engine: ListeningEngine, format: ChatFormat
) -> ReplaySample:
    """Write a few rows, as self-replay would.

    Args:
        settings: How to write.
        state: What is there already; not complete.
        engine: Asks the base, and notes the calls.
        format: Counts tokens.

    Raises:
        ModelError: The base writes no prompts.
    """
    prompts, texts = list(state.prompts[len(state.answers) :][:_SAMPLE_ROWS]), list[str]()
    writing, writing_seconds = None, 0.0
    if not state.whole:
        started = engine.clock()
        texts = write_prompts(engine, min(_SAMPLE_ROWS, settings.rows), settings, seed=_SEED)
        writing_seconds = engine.clock() - started
        lengths = tuple(min(len(ids), settings.max_prompt_tokens) for ids in format.pieces.ids(texts))
        opening = len(format.user_opening())
        writing = Answers((opening,) * len(lengths), lengths, settings.max_prompt_tokens)
        prompts = _as_asked(texts, format)
    sampling, longest = answer_sampling(settings, format).seeded(_SEED), settings.max_new_tokens
    if continues_texts(settings, format):
        texts_to_continue = [prompt[0].content for prompt in prompts]
        answers = engine.continue_texts(texts_to_continue, max_new_tokens=longest, sampling=sampling)
    else:
        answers = engine.generate(prompts, max_new_tokens=longest, sampling=sampling)
    return ReplaySample(tuple(texts), tuple(answers), writing, writing_seconds, engine.lengths(engine.calls[-1:]))


def replay_work(
    state: ReplayState,
    sample: ReplaySample,
    settings: ReplaySettings,
    *,
    format: ChatFormat,
    law: AnsweringLaw,
    shape: BatchShape,
) -> tuple[float, int]:
    """Seconds and written tokens of the rows that are still to be written.

    Args:
        state: What is there.
        sample: What a few rows took.
        settings: How many rows, and how long.
        format: Counts the tokens of known prompts.
        law: How long answers take.
        shape: How the engine cuts batches.
    """
    seconds, written = 0.0, 0
    if sample.writing is not None:
        few = len(sample.prompts)
        at_once = law.seconds(passes_for(sample.writing, few, shape, block=few))
        again = max(1.0, sample.writing_seconds / at_once) if at_once > 0.0 else 1.0
        writing = passes_for(sample.writing, state.unwritten, shape, block=state.block_rows)
        seconds, written = again * law.seconds(writing), writing.written_tokens
    answers, rows = sample.answering, settings.rows
    if state.whole:
        unanswered = state.prompts[len(state.answers) :]
        lengths = prompt_lengths(unanswered, format)
        answers, rows = Answers(lengths, answers.answer_tokens, answers.room), len(unanswered)
    answering = passes_for(answers, rows, shape, block=state.block_rows)
    return seconds + law.seconds(answering), written + answering.written_tokens


def _as_asked(texts: Sequence[str], format: ChatFormat) -> list[Prompt]:
    return as_asked([(Message("user", text.strip()),) for text in texts], format)
