"""What generated answers take: the work is counted as the engine does it, and the law is found from few calls."""

from __future__ import annotations

import random

import pytest
from scripted_answers import Clock, TimedEngine, WordFormat, WordTask

from forgetless.engines.batches import length_sorted_batches
from forgetless.planning.answering import AnsweringLaw, Answers, BatchShape, Passes, fit_law, passes_for
from forgetless.planning.asking import ListeningEngine, probe, sample_task
from forgetless.planning.replay import replay_work, sample_replay
from forgetless.recipe import ReplaySettings
from forgetless.records import Message
from forgetless.synthesis import ReplayState, write_prompts

LAW = AnsweringLaw(pass_seconds=0.02, prompt_token_seconds=3e-5, fed_token_seconds=4e-4)
SHAPE = BatchShape(batch_tokens=240, most_rows=10)
CHAT, BARE = WordFormat(), WordFormat(template=None)


def counted(prompts: list[int], lengths: list[int], room: int, shape: BatchShape) -> Passes:
    """The loop of the engine, token by token."""
    passes = prompt_tokens = fed = written = 0
    whole = [prompt + room for prompt in prompts]
    for batch in length_sorted_batches(whole, batch_tokens=shape.batch_tokens, most_rows=shape.most_rows):
        passes, prompt_tokens = passes + 1, prompt_tokens + len(batch) * max(prompts[i] for i in batch)
        so_far, alive = dict.fromkeys(batch, 0), list(batch)
        while alive:
            going = []
            for i in alive:
                written += 1
                if so_far[i] == lengths[i]:  # what is chosen now is the stop token
                    continue
                so_far[i] += 1
                if so_far[i] < room:
                    going.append(i)
            alive = going
            if alive:
                passes, fed = passes + 1, fed + len(alive)
    return Passes(passes, prompt_tokens, fed, written)


@pytest.mark.parametrize("seed", range(20))
def test_the_work_is_that_of_the_engines_own_loop(seed: int) -> None:
    draw = random.Random(seed)
    room, rows = draw.randint(1, 9), draw.randint(1, 40)
    prompts = [draw.randint(1, 60) for _ in range(rows)]
    lengths = [draw.randint(0, room) for _ in range(rows)]
    answers = Answers(tuple(prompts), tuple(lengths), room)
    assert passes_for(answers, rows, SHAPE, block=rows) == counted(prompts, lengths, room, SHAPE)


def test_blocks_are_cut_before_batches() -> None:
    answers = Answers((5,), (2,), 6)
    whole = passes_for(answers, 40, SHAPE, block=40)
    cut = passes_for(answers, 40, SHAPE, block=5)
    assert whole.passes == 4 * 3
    assert cut.passes == 8 * 3
    assert whole[1:] == cut[1:]


def test_a_sample_is_taken_over_and_over() -> None:
    answers = Answers((5, 7), (2, 4, 0), 6)
    six, twelve = (passes_for(answers, rows, SHAPE, block=1) for rows in (6, 12))
    assert twelve == Passes(*(2 * value for value in six))


def test_the_law_is_found_from_exact_calls() -> None:
    works = [Passes(1, 40, 0), Passes(5, 40, 4), Passes(1, 900, 0), Passes(9, 300, 120)]
    found = fit_law([(work, LAW.seconds(work)) for work in works])
    assert found.pass_seconds == pytest.approx(LAW.pass_seconds)
    assert found.prompt_token_seconds == pytest.approx(LAW.prompt_token_seconds)
    assert found.fed_token_seconds == pytest.approx(LAW.fed_token_seconds)


def test_no_part_of_a_law_is_negative() -> None:
    found = fit_law([(Passes(1, 100, 0), 1.0), (Passes(2, 100, 50), 0.5)])
    assert min(found.pass_seconds, found.prompt_token_seconds, found.fed_token_seconds) >= 0.0


def test_without_calls_nothing_costs_anything() -> None:
    assert fit_law([]).seconds(Passes(3, 3, 3)) == 0.0


def listening(shape: BatchShape = SHAPE, format: WordFormat = CHAT) -> tuple[ListeningEngine, TimedEngine]:
    engine = TimedEngine(Clock(), LAW, shape)
    return ListeningEngine(engine, format, clock=engine.clock), engine  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [SHAPE, BatchShape(16_384, 1 << 14)], ids=["small batches", "one batch"])
def test_what_all_items_take_is_known_from_a_few(shape: BatchShape) -> None:
    engine, timed = listening(shape)
    task = WordTask(timed.clock)
    sample = sample_task(task, engine, seed=0, shape=shape, seconds=3.0)
    probe(engine, shape=shape)
    law = fit_law([(engine.work(call, shape), call.seconds) for call in engine.calls])
    assert sample.answers is not None
    assert sample.other_seconds == pytest.approx(0.001)
    foreseen = law.seconds(passes_for(sample.answers, 400, shape, block=400)) + 400 * sample.other_seconds
    before = timed.clock.now
    task.score(timed, task.items("test"))
    assert foreseen == pytest.approx(timed.clock.now - before, rel=0.1)


def test_a_task_that_generates_nothing_is_timed_by_the_item() -> None:
    engine, timed = listening()
    sample = sample_task(WordTask(timed.clock, generates=False), engine, seed=0, shape=SHAPE, seconds=3.0)
    probe(engine, shape=SHAPE)
    assert (sample.answers, engine.calls) == (None, [])
    assert sample.other_seconds == pytest.approx(0.011)


def test_a_slow_model_is_asked_few_items() -> None:
    engine, timed = listening(BatchShape(16_384, 1 << 14))
    timed.law = AnsweringLaw(pass_seconds=2.0, prompt_token_seconds=0.0, fed_token_seconds=0.0)
    sample_task(WordTask(timed.clock), engine, seed=0, shape=BatchShape(16_384, 1 << 14), seconds=3.0)
    assert timed.asked == [8]


def test_only_dev_items_are_asked() -> None:
    engine, timed = listening()
    task = WordTask(timed.clock)
    heard: list[str] = []
    score = WordTask.score

    class Overheard(WordTask):
        def score(self, engine, items, progress=None):  # type: ignore[no-untyped-def]
            heard.extend(item.id for item in items)
            return score(task, engine, items)

    sample_task(Overheard(timed.clock), engine, seed=0, shape=SHAPE, seconds=3.0)
    assert heard
    assert all(name.startswith("dev-") for name in heard)


def asked(words: int) -> tuple[Message, ...]:
    return (Message("user", " ".join("w" * words)),)


@pytest.mark.parametrize(
    ("format", "state"),
    [
        (CHAT, ReplayState(tuple(asked(3 + i % 11) for i in range(90)), ("done",) * 10, whole=True, block_rows=16)),
        (CHAT, ReplayState((), (), whole=False, block_rows=16, unwritten=90)),
        (BARE, ReplayState(tuple(asked(4 + i % 5) for i in range(90)), (), whole=True, block_rows=16)),
        (BARE, ReplayState(((Message("user", ""),),) * 90, (), whole=True, block_rows=16)),
    ],
    ids=["given prompts", "own prompts", "given texts", "own texts"],
)
def test_what_replay_takes_is_known_from_a_few_rows(format: WordFormat, state: ReplayState) -> None:
    settings = ReplaySettings(share=0.5, rows=90, max_new_tokens=6, max_prompt_tokens=9)
    engine, timed = listening(format=format)
    sample = sample_replay(settings, state, engine, format)  # type: ignore[arg-type]
    probe(engine, shape=SHAPE)
    law = fit_law([(engine.work(call, SHAPE), call.seconds) for call in engine.calls])
    seconds, written = replay_work(state, sample, settings, format=format, law=law, shape=SHAPE)  # type: ignore[arg-type]
    assert written > 0
    prompts = state.prompts[len(state.answers) :]
    before = timed.clock.now
    if not state.whole:
        texts = write_prompts(timed, 90, settings, seed=0)  # type: ignore[arg-type]
        prompts = tuple(asked(len(text.split())) for text in texts)
    for start in range(0, len(prompts), 16):
        timed.continue_texts([p[0].content for p in prompts[start : start + 16]], max_new_tokens=6)
    assert seconds == pytest.approx(timed.clock.now - before, rel=0.25)
