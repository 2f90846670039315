"""Rows that the base model answers itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forgetless.errors import DataError
from forgetless.recipe import FileSettings, ReplaySettings
from forgetless.records import Message, Row
from forgetless.sampling import Sampling
from forgetless.sources import prompt_key
from forgetless.synthesis import ReplayRows, ReplayState, replay_state, self_replay
from forgetless.synthesis.blocks import block_rows, block_seed, find_or_make
from forgetless.synthesis.given import prompt_of

Replay = Callable[..., ReplayRows]


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    """Eighty questions with answers that are nobody's business, and one question that is long."""
    records = [{"instruction": f"Question {n}?", "input": "", "output": f"an answer {n}"} for n in range(80)]
    records.append({"instruction": "long " * 40, "input": "", "output": "short"})
    (tmp_path / "prompts.json").write_text(json.dumps(records))
    return tmp_path


@pytest.fixture
def replay(prompts: Path, words: Any) -> Replay:
    def run(engine: Any, *, seed: int = 0, exclude: Any = (), progress: Any = None, **settings: Any) -> ReplayRows:
        chosen = {"share": 0.2, "prompts": [FileSettings(files=["prompts.json"])], "rows": 70, "max_prompt_tokens": 20}
        return self_replay(
            engine,
            ReplaySettings(**{**chosen, **settings}),
            format=words,
            folder=prompts,
            seed=seed,
            exclude=exclude,
            cache=prompts / "cache",
            progress=progress,
        )

    return run


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forgetless.synthesis.replay.block_rows", lambda tokens, at_once: 16)
    monkeypatch.setattr("forgetless.synthesis.self_written.block_rows", lambda tokens, at_once: 16)


def test_rows_are_the_base_models_own_answers(scripted: Any, replay: Replay) -> None:
    engine = scripted()
    found = replay(engine, temperature=0.7, top_p=0.9, max_new_tokens=33)
    assert len(found.rows) == 70
    (longest, sampling), *_ = engine.asked
    for row in found.rows:
        prompt, answer = row.messages
        assert answer == Message("assistant", f"{sampling.seed}: {prompt.content}", trained=True)
        assert not prompt.trained
        assert row.source == "replay"
    assert len({row.id for row in found.rows}) == 70
    assert (longest, sampling) == (33, Sampling(0.7, 0.9, sampling.seed))
    assert (found.written, found.from_cache, found.dropped_empty, found.excluded) == (70, 0, 0, 0)


def test_prompts_come_in_an_order_fixed_by_the_seed(scripted: Any, replay: Replay) -> None:
    engines = [scripted(), scripted()]
    for seed, engine in enumerate(engines):
        replay(engine, seed=seed)
    one, other = (engine.answered for engine in engines)
    assert one != other
    assert one != sorted(one, key=lambda text: int(text.strip("?").split()[1]))


def test_long_prompts_and_those_of_test_items_are_left_out_and_counted(scripted: Any, replay: Replay) -> None:
    asked = prompt_key([Message("user", "QUESTION  7?")])
    engine = scripted()
    found = replay(engine, exclude={asked}, rows=100)
    assert (len(found.rows), found.excluded, found.too_long) == (79, 1, 1)
    assert "Question 7?" not in engine.answered


def test_empty_answers_are_dropped_and_counted(scripted: Any, replay: Replay) -> None:
    found = replay(scripted(answer=lambda prompt, seed: " " if "7" in prompt else "fine"), rows=100)
    assert found.dropped_empty == 17
    assert len(found.rows) == 80 - 17
    assert all("7" not in row.messages[0].content for row in found.rows)


def test_the_second_run_on_the_same_base_reads_the_first_ones_answers(scripted: Any, replay: Replay) -> None:
    first = replay(scripted())
    engine = scripted()
    again = replay(engine)
    assert engine.answered == []
    assert again.rows == first.rows
    assert (again.written, again.from_cache, again.key) == (0, 70, first.key)


@pytest.mark.parametrize(
    "change", ["model", "settings", "temperature", "top_p", "max_new_tokens", "seed", "rows", "exclude"]
)
def test_whatever_could_change_an_answer_makes_new_ones(scripted: Any, replay: Replay, change: str) -> None:
    first = replay(scripted())
    engine, settings = scripted(), {}
    if change == "model":
        engine.model_hash = "other"
    elif change == "settings":
        engine.settings_hash = "other"
    else:
        values = {"temperature": 0.5, "top_p": 0.5, "max_new_tokens": 7, "seed": 1, "rows": 60}
        settings = {change: values.get(change) or {prompt_key(first.rows[0].messages)}}
    found = replay(engine, **settings)
    assert found.key != first.key
    assert found.from_cache == 0


def test_the_share_of_the_mixture_changes_no_answer(scripted: Any, replay: Replay) -> None:
    assert replay(scripted()).key == replay(scripted(), share=0.5).key


@pytest.mark.usefixtures("small_blocks")
def test_a_kill_loses_at_most_one_block(
    scripted: Any, replay: Replay, killed: type[BaseException], prompts: Path
) -> None:
    with pytest.raises(killed):
        replay(scripted(blocks=2))
    engine = scripted()
    seen: list[tuple[int, int]] = []
    resumed = replay(engine, progress=lambda done, total: seen.append((done, total)))
    assert (resumed.written, resumed.from_cache) == (70 - 32, 32)
    assert len(engine.answered) == 70 - 32
    assert seen[-1] == (70, 70)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    for path in (prompts / "cache").rglob("*.json"):
        path.unlink()
    assert replay(scripted()).rows == resumed.rows


@pytest.mark.usefixtures("small_blocks")
def test_blocks_are_sampled_from_seeds_of_their_own(scripted: Any, replay: Replay) -> None:
    engine = scripted()
    replay(engine)
    assert len({sampling.seed for _, sampling in engine.asked}) == len(engine.asked) == 5


@pytest.mark.usefixtures("small_blocks")
def test_a_broken_block_is_made_anew(scripted: Any, replay: Replay, prompts: Path) -> None:
    first = replay(scripted())
    block = sorted((prompts / "cache" / "replay" / first.key).iterdir())[1]
    for broken in ('["one"]', "{", '{"a": 1}', "[1]"):
        block.write_text(broken)
        engine = scripted()
        assert replay(engine).rows == first.rows
        assert len(engine.answered) == 16


@pytest.mark.usefixtures("small_blocks")
def test_the_model_writes_the_prompts_when_asked_to(scripted: Any, replay: Replay) -> None:
    engine = scripted()
    found = replay(engine, prompts="self", rows=30)
    assert len(found.rows) == 30
    assert engine.written == 32, "one for each row, in whole blocks"
    assert all(row.messages[0].content.startswith("prompt") for row in found.rows)
    again = scripted()
    assert replay(again, prompts="self", rows=30).rows == found.rows
    assert again.written == 0


@pytest.mark.usefixtures("small_blocks")
def test_the_model_writes_the_prompts_that_files_leave_missing(scripted: Any, state: Any, replay: Replay) -> None:
    both = ["self", FileSettings(files=["prompts.json"], max_rows=12)]
    engine = scripted()
    known = state(engine, prompts=both, rows=30)
    assert (len(known.prompts), known.whole, engine.written) == (12, False, 0)
    found = replay(engine, prompts=both, rows=30, exclude={prompt_key([Message("user", "Question 7?")])})
    asked = [row.messages[0].content.split()[0] for row in found.rows]
    assert (asked.count("Question"), asked.count("prompt"), engine.written) == (12, 18, 32)
    again = state(engine, prompts=both, rows=30)
    assert (again.whole, again.complete, again.prompts[:12]) == (True, True, known.prompts)
    enough = scripted()
    replay(enough, prompts=both, rows=10)
    assert enough.written == 0


@pytest.mark.usefixtures("small_blocks")
def test_self_written_prompts_are_distinct_and_no_test_items(scripted: Any, replay: Replay) -> None:
    engine = scripted(writes=lambda i, seed: f"Prompt {i % 4 if seed % 2 else i % 8}")
    found = replay(engine, prompts="self", rows=20, exclude={prompt_key([Message("user", "prompt 3")])})
    assert {row.messages[0].content for row in found.rows} <= {f"Prompt {i}" for i in range(8) if i != 3}
    assert found.excluded > 0
    assert found.duplicates > 0
    assert engine.written == 80


def test_prompts_are_not_written_without_randomness(scripted: Any, replay: Replay) -> None:
    engine = scripted()
    replay(engine, prompts="self", rows=5, temperature=0.0)
    *writing, answering = (sampling.temperature for _, sampling in engine.asked)
    assert set(writing) == {1.0}
    assert answering == 0.0


def test_no_usable_prompt_is_an_error_that_says_why(scripted: Any, replay: Replay) -> None:
    with pytest.raises(DataError, match="81 are longer than 1 tokens"):
        replay(scripted(), max_prompt_tokens=1)
    with pytest.raises(DataError, match="280 are longer") as caught:
        replay(scripted(writes=lambda i, seed: "long " * 40), prompts="self")
    assert caught.value.value == "self"
    with pytest.raises(DataError, match="361 are longer") as caught:
        replay(scripted(), prompts=[FileSettings(files=["prompts.json"]), "self"], max_prompt_tokens=1)
    assert caught.value.value == "1 file and self"


def said(*turns: tuple[str, str]) -> tuple[Message, ...]:
    return tuple(Message(role, content) for role, content in turns)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("turns", "prompt"),
    [
        ([("user", "q"), ("assistant", "a")], [("user", "q")]),
        ([("system", "s"), ("user", "q")], [("system", "s"), ("user", "q")]),
        ([("user", "q"), ("assistant", "a"), ("user", "r"), ("assistant", "b")], [("user", "q")]),
        ([("user", "q"), ("user", " "), ("assistant", "a")], [("user", "q")]),
        ([("assistant", "a"), ("user", "q")], []),
        ([("system", "s"), ("assistant", "a")], []),
    ],
)
def test_a_prompt_is_what_stands_before_the_first_answer(turns: list[Any], prompt: list[Any]) -> None:
    assert prompt_of(Row("r", "s", messages=said(*turns))) == said(*prompt)


def test_raw_text_is_what_a_user_says() -> None:
    assert prompt_of(Row("r", "s", text="Tell me more.")) == said(("user", "Tell me more."))
    assert prompt_of(Row("r", "s", text=" ")) == ()


def test_blocks_are_large_for_small_rows_and_small_for_large_ones() -> None:
    assert block_rows(8) == 1024
    assert block_rows(384) == 85
    assert block_rows(100_000) == 16


def test_seeds_of_blocks_differ_by_stage_and_index() -> None:
    seeds = {block_seed(0, stage, i) for stage in ("prompts", "answers") for i in range(50)}
    assert len(seeds) == 100
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_a_block_with_the_wrong_number_of_texts_is_a_bug(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="3 rows got 2"):
        find_or_make(tmp_path, 0, 3, lambda: ["a", "b"])
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def state(prompts: Path, words: Any) -> Callable[..., ReplayState]:
    def run(engine: Any, **settings: Any) -> ReplayState:
        chosen = {"share": 0.2, "prompts": [FileSettings(files=["prompts.json"])], "rows": 70, "max_prompt_tokens": 20}
        return replay_state(
            engine, ReplaySettings(**{**chosen, **settings}), format=words, folder=prompts, seed=0,
            exclude={prompt_key([Message("user", "Question 7?")])}, cache=prompts / "cache",
        )  # fmt: skip

    return run


def test_what_will_be_asked_is_known_before_anything_is_answered(scripted: Any, state: Any, replay: Replay) -> None:
    engine = scripted()
    found = state(engine, rows=100)
    assert (len(found.prompts), found.answers, found.whole, found.complete) == (79, (), True, False)
    assert (found.excluded, found.too_long, found.duplicates) == (1, 1, 0)
    assert engine.answered == []
    asked = replay(engine, exclude={prompt_key([Message("user", "Question 7?")])}, rows=100).rows
    assert tuple(row.messages[:-1] for row in asked) == found.prompts


@pytest.mark.usefixtures("small_blocks")
def test_answers_that_are_kept_are_found(scripted: Any, state: Any, replay: Replay, killed: Any, words: Any) -> None:
    exclude = {prompt_key([Message("user", "Question 7?")])}
    with pytest.raises(killed):
        replay(scripted(blocks=2), exclude=exclude)
    found = state(scripted())
    assert (len(found.prompts), len(found.answers), found.complete) == (70, 32, False)
    rows = replay(scripted(), exclude=exclude).rows
    found = state(scripted())
    assert found.complete
    assert [row.messages for row in found.stand_ins((), (), rows=70, format=words)] == [row.messages for row in rows]


@pytest.mark.usefixtures("small_blocks")
def test_self_written_prompts_are_known_as_far_as_they_are_kept(scripted: Any, state: Any, replay: Replay) -> None:
    engine = scripted()
    found = state(engine, prompts="self", rows=40)
    assert (found.prompts, found.whole, engine.written) == ((), False, 0)
    replay(engine, prompts="self", rows=40, exclude={prompt_key([Message("user", "Question 7?")])})
    again = state(engine, prompts="self", rows=40)
    assert (len(again.prompts), again.whole, again.complete) == (40, True, True)


def test_stand_ins_repeat_a_sample_where_nothing_is_known(scripted: Any, state: Any, words: Any) -> None:
    sample = [(Message("user", "one"),), (Message("user", "two"),)]
    rows = state(scripted(), prompts="self", rows=5).stand_ins(sample, ["a", " ", "b"], rows=5, format=words)
    said = [(row.messages[0].content, row.messages[1].content) for row in rows]
    assert said == [("one", "a"), ("one", "b"), ("two", "a")]


def test_known_prompts_stand_with_sampled_answers(scripted: Any, state: Any, words: Any) -> None:
    found = state(scripted(), rows=6)
    rows = found.stand_ins((), ["short", "longer one"], rows=6, format=words)
    assert [row.messages[0] for row in rows] == [prompt[0] for prompt in found.prompts]
    assert [row.messages[1].content for row in rows] == ["short", "longer one"] * 3
