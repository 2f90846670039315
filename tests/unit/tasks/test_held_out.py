"""The domain on its own rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forgetless.errors import TaskError
from forgetless.recipe import HeldOutTask
from forgetless.records import Message, Row, ToolCall
from forgetless.sources import prompt_key
from forgetless.tasks import build_task, held_out_split

HELD = HeldOutTask(type="held_out")


def row(n: int, answer: str | None = None) -> Row:
    said = Message("assistant", answer or f"answer {n}", trained=True)
    return Row(id=f"r{n}", source="domain", messages=(Message("user", f"question {n}"), said))


ROWS = [row(n) for n in range(600)]


def test_about_the_asked_share_is_held_out_and_nothing_is_lost() -> None:
    train, held_out = held_out_split(ROWS, HELD)
    assert sorted([*train, *held_out], key=lambda r: r.id) == sorted(ROWS, key=lambda r: r.id)
    assert 35 <= len(held_out) <= 85


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(60)))
def test_the_split_does_not_depend_on_the_order(order: list[int]) -> None:
    chosen = HeldOutTask(type="held_out", percent=40, max_items=10)
    held = held_out_split([ROWS[n] for n in order], chosen).held_out
    assert {r.id for r in held} == {r.id for r in held_out_split(ROWS[:60], chosen).held_out}
    assert len(held) == 10


def test_no_question_is_on_both_sides() -> None:
    rows = [row(n % 150, answer=f"answer {n}") for n in range(600)]
    train, held_out = held_out_split(rows, HeldOutTask(type="held_out", percent=30))
    assert held_out
    assert not {prompt_key(r.messages) for r in train} & {prompt_key(r.messages) for r in held_out}


def test_raw_text_is_always_trained_on() -> None:
    texts = [Row(id=f"t{n}", source="text", text=f"text {n}") for n in range(100)]
    lone = [Row(id="a", source="x", messages=(Message("assistant", "hello", trained=True),))]
    train, held_out = held_out_split([*texts, *lone], HeldOutTask(type="held_out", percent=50))
    assert (len(train), len(held_out)) == (101, 0)


def test_items_are_the_held_out_rows_up_to_their_last_answer() -> None:
    rows = [
        Row(
            id=f"r{n}",
            source="domain",
            messages=(
                Message("system", "be brief"),
                Message("user", f"first {n}"),
                Message("assistant", "ok", trained=True),
                Message("user", "and then?"),
                Message("assistant", f"done {n}", trained=True),
            ),
        )
        for n in range(200)
    ]
    task = build_task("domain", HELD, folder=Path(), seed=0, domain_rows=rows)
    items = (*task.items("dev"), *task.items("test"))
    held = {r.messages[-1].content: r for r in held_out_split(rows, HELD).held_out}
    assert {item.target for item in items} == set(held)
    for item in items:
        assert [m.content for m in item.messages] == [m.content for m in held[item.target].messages[:-1]]
        assert not any(m.trained for m in item.messages)


@pytest.mark.parametrize(
    ("score", "binary"), [("answer_probability", False), ("exact", True), ("json", True), ("number", True)]
)
def test_rows_are_scored_as_asked(scripted: Any, score: Any, binary: bool) -> None:
    rows = [row(n, answer=f'{{"n": {n}}}') for n in range(200)]
    settings = HeldOutTask(type="held_out", score=score, percent=50)
    task = build_task("domain", settings, folder=Path(), seed=0, domain_rows=rows)
    assert task.binary is binary
    engine = scripted(answer=lambda prompt: f'{{"n":{prompt.split()[1]}}}', likelihood=lambda *_: 0.0)
    scores = {result.score for result in task.score(engine, task.items("dev"))}
    assert scores == ({0.0} if score == "exact" else {1.0})


def test_answers_that_no_output_could_match_are_refused() -> None:
    settings = HeldOutTask(type="held_out", score="json", percent=50)
    with pytest.raises(TaskError, match="not JSON"):
        build_task("domain", settings, folder=Path(), seed=0, domain_rows=ROWS)


@pytest.mark.parametrize("rows", [[], ROWS[:8]])
def test_too_few_rows_are_refused(rows: list[Row]) -> None:
    with pytest.raises(TaskError):
        build_task("domain", HELD, folder=Path(), seed=0, domain_rows=rows)


def test_raw_text_measures_no_domain() -> None:
    texts = [Row(id=f"t{n}", source="text", text=f"text {n}") for n in range(30)]
    with pytest.raises(TaskError, match="raw text, which asks nothing") as caught:
        build_task("domain", HELD, folder=Path(), seed=0, domain_rows=texts)
    assert "percent" not in caught.value.way_out


def test_thoughts_are_no_part_of_an_answer_and_tools_no_part_to_lose() -> None:
    call = Message("assistant", "", trained=True, tool_calls=(ToolCall("f", "{}"),))
    rows = [
        Row(
            id=f"r{n}",
            source="domain",
            messages=(
                Message("user", f"question {n}", tools=("{}",), enable_thinking=True),
                call,
                Message("tool", "x", name="f"),
                Message("assistant", f"<think>hm</think>answer {n}", trained=True),
            ),
        )
        for n in range(200)
    ]
    task = build_task("domain", HELD, folder=Path(), seed=0, domain_rows=rows)
    for item in task.items("dev"):
        assert item.target.startswith("answer")
        assert item.messages[0].tools == ("{}",)
        assert item.messages[0].enable_thinking
        assert item.messages[1].tool_calls
        assert not any(message.trained for message in item.messages)
