"""Turns in all their spellings: tools, thoughts, what is trained, and what has no certain meaning."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from forgetless.recipe import FileSettings
from forgetless.records import Message, Row, ToolCall
from forgetless.sources import Record, Reject, load_source, row_from_record

USER, ASSISTANT = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}
CALL = ToolCall("weather", '{"city": "Rome"}')
DEFINITION = {"name": "weather", "parameters": {"type": "object"}}


def read(turns: list[Any], **fields: Any) -> Row | Reject:
    record = Record("f:1", {"messages": turns, **fields})
    found = row_from_record(record, shape="messages", template=None, source="s")
    return found if isinstance(found, Reject) else found.row


def messages(turns: list[Any], **fields: Any) -> tuple[Message, ...]:
    row = read(turns, **fields)
    assert isinstance(row, Row), row
    return row.messages


def reason(turns: list[Any], **fields: Any) -> str:
    found = read(turns, **fields)
    assert isinstance(found, Reject), found
    return found.reason


@pytest.mark.parametrize("field", ["reasoning_content", "thinking", "reasoning"])
def test_thoughts_are_read_under_their_usual_names(field: str) -> None:
    assert messages([USER, ASSISTANT | {field: "hm"}])[1] == Message("assistant", "a", trained=True, reasoning="hm")


@pytest.mark.parametrize(
    "turn",
    [
        {"tool_calls": [{"type": "function", "function": {"name": "weather", "arguments": {"city": "Rome"}}}]},
        {"tool_calls": [{"function": {"name": "weather", "arguments": '{"city": "Rome"}'}}], "content": None},
        {"tool_calls": [{"name": "weather", "arguments": {"city": "Rome"}}], "content": ""},
        {"tool_calls": '[{"name": "weather", "arguments": {"city": "Rome"}}]'},
        {"function_call": {"name": "weather", "arguments": '{"city": "Rome"}'}},
    ],
)
def test_a_call_is_read_however_it_is_spelt(turn: dict[str, Any]) -> None:
    found = messages([USER, {"role": "assistant", **turn}])
    assert found[1] == Message("assistant", "", trained=True, tool_calls=(CALL,))


@pytest.mark.parametrize(("caller", "tool"), [("function_call", "observation"), ("tool_call", "tool_response")])
def test_calls_and_results_in_the_other_spelling(caller: str, tool: str) -> None:
    turns = [
        {"from": "human", "value": "q"},
        {"from": caller, "value": '{"name": "weather", "arguments": {"city": "Rome"}}'},
        {"from": tool, "value": "sunny"},
        {"from": "gpt", "value": "a"},
    ]
    _, call, result, answer = messages(turns)
    assert call.tool_calls == (CALL,)
    assert result == Message("tool", "sunny", name="weather")
    assert answer.trained


def test_a_turn_of_two_may_hold_thoughts_and_tools() -> None:
    turn = {"human": "q", "assistant": "a", "reasoning": "hm", "tool_calls": [{"name": "weather"}], "train": False}
    question, answer = messages([turn, USER, ASSISTANT])[:2]
    assert question == Message("user", "q")
    assert answer == Message("assistant", "a", reasoning="hm", tool_calls=(ToolCall("weather", "{}"),))


def test_fields_that_are_null_count_as_none_at_all() -> None:
    spare = dict.fromkeys(["tool_calls", "function_call", "reasoning", "train", "weight", "name", "human", "from"])
    fields = {"conversations": None, "tools": None, "system": None, "chat_template_kwargs": None}
    assert messages([USER | spare, ASSISTANT | spare], **fields) == messages([USER, ASSISTANT])
    record = Record("f:1", {"messages": None, "conversation": [USER, ASSISTANT]})
    found = row_from_record(record, shape="messages", template=None, source="s")
    assert not isinstance(found, Reject)
    assert found.row.messages == messages([USER, ASSISTANT])


def test_a_result_is_given_the_name_of_the_tool_that_was_called() -> None:
    calls = [
        {"id": "1", "function": {"name": "weather", "arguments": {}}},
        {"id": "2", "function": {"name": "time", "arguments": ""}},
    ]
    results = [{"role": "tool", "tool_call_id": "2", "content": "noon"}, {"role": "tool", "content": "sunny"}]
    found = messages([USER, {"role": "assistant", "tool_calls": calls}, *results, ASSISTANT])
    assert [(m.name, m.tool_call_id) for m in found[2:4]] == [("time", "2"), ("weather", "")]
    assert found[1].tool_calls == (ToolCall("weather", "{}", "1"), ToolCall("time", "{}", "2"))


@pytest.mark.parametrize(
    "tools", [[DEFINITION], [{"type": "function", "function": DEFINITION}], json.dumps([DEFINITION])]
)
def test_the_first_message_carries_the_tools(tools: Any) -> None:
    first, second = messages([USER, ASSISTANT], tools=tools)
    assert json.loads(first.tools[0]) == {"type": "function", "function": DEFINITION}
    assert second.tools == ()
    assert messages([USER, ASSISTANT], tools=None)[0].tools == ()


def test_a_system_column_opens_a_conversation_that_has_none() -> None:
    assert messages([USER, ASSISTANT], system="s")[0] == Message("system", "s")
    own = {"role": "system", "content": "own"}
    assert [m.content for m in messages([own, USER, ASSISTANT], system="s")] == ["own", "q", "a"]


def test_a_record_may_set_the_switch_of_the_template() -> None:
    for switch in (True, False):
        first = messages([USER, ASSISTANT], chat_template_kwargs={"enable_thinking": switch})[0]
        assert first.enable_thinking is switch
    assert "may set `enable_thinking` alone" in reason([USER, ASSISTANT], chat_template_kwargs={"effort": "low"})
    assert "neither true nor false" in reason([USER, ASSISTANT], chat_template_kwargs={"enable_thinking": "no"})


@pytest.mark.parametrize("flag", [{"train": False}, {"weight": 0}, {"weight": 0.0}, {"trained": False}, {"train": 0}])
def test_a_turn_may_be_left_out_of_the_loss(flag: dict[str, Any]) -> None:
    found = messages([USER, ASSISTANT | flag, USER, ASSISTANT | {"weight": 1}])
    assert [m.trained for m in found] == [False, False, False, True]


@pytest.mark.parametrize("value", [0.5, "0", "false", 2, []])
def test_half_a_weight_is_no_weight(value: object) -> None:
    assert "a turn is trained (1, true) or not (0, false)" in reason([USER, ASSISTANT | {"weight": value}])


@pytest.mark.parametrize(
    ("turn", "why"),
    [
        ({"tool_calls": [{}]}, "without the `name`"),
        ({"tool_calls": "weather()"}, "no JSON"),
        ({"tool_calls": [{"name": "weather", "arguments": "city"}]}, "no JSON"),
        ({"tool_calls": [{"name": "weather", "arguments": [1]}]}, "arguments that are no object"),
        ({"tool_calls": [{"name": "weather", "arguments": {"x": float("nan")}}]}, "cannot be written as JSON"),
        ({"tool_calls": [{"name": "weather", "arguments": {"x": "\ud83d"}}]}, "cannot be written as JSON"),
        ({"tool_calls": [{"name": "weather", "arguments": {"x": date(2026, 1, 1)}}]}, "cannot be written as JSON"),
        ({"tool_calls": [{"name": "\ud800"}]}, "half of a surrogate pair"),
        ({"content": None}, "content` is null"),
        ({"content": "", "reasoning": "hm"}, "answer is empty"),
    ],
)
def test_a_call_that_cannot_be_read_says_why(turn: dict[str, Any], why: str) -> None:
    assert why in reason([USER, {"role": "assistant", **turn}])


@pytest.mark.parametrize(
    ("tools", "why"), [("x", "no JSON"), ({"a": 1}, "not a list"), ([{"x": 1}], "without a `name`")]
)
def test_definitions_that_cannot_be_read_say_why(tools: Any, why: str) -> None:
    assert why in reason([USER, ASSISTANT], tools=tools)


def test_rows_that_differ_in_tools_or_thoughts_have_other_ids() -> None:
    rows = [
        read([USER, ASSISTANT]),
        read([USER, ASSISTANT | {"reasoning": "hm"}]),
        read([USER, ASSISTANT | {"tool_calls": [{"name": "weather"}]}]),
        read([USER, ASSISTANT], tools=[DEFINITION]),
        read([USER, ASSISTANT], chat_template_kwargs={"enable_thinking": True}),
    ]
    assert len({row.id for row in rows if isinstance(row, Row)}) == 5


def test_a_file_that_is_one_conversation_with_tools_is_one_record(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(json.dumps({"messages": [USER, ASSISTANT], "tools": [DEFINITION]}))
    source = load_source("s", FileSettings(files=["one.json"]), kind="domain", folder=tmp_path, field="sources.s")
    assert len(source.rows) == 1
    assert source.unread == ()


def test_nulls_that_parquet_adds_do_not_reach_the_text_of_tools() -> None:
    """A column of structs gives every definition and every call the fields of all others."""
    parameters = {"type": "object", "properties": {"city": {"type": "string", "enum": None}, "count": None}}
    call = {"name": "weather", "arguments": {"city": "Rome", "count": None}}
    turns = [USER, {"role": "assistant", "content": None, "tool_calls": [{"function": call}]}]
    first, second = messages(turns, tools=[{"name": "weather", "strict": None, "parameters": parameters}])
    assert second.tool_calls == (CALL,)
    assert json.loads(first.tools[0])["function"] == {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    }


def test_a_null_written_out_in_a_call_stays() -> None:
    call = {"name": "weather", "arguments": '{"city": null}'}
    (_, second) = messages([USER, {"role": "assistant", "content": None, "tool_calls": [{"function": call}]}])
    assert second.tool_calls[0].arguments == '{"city": null}'
