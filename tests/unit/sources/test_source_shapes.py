"""Records to rows: shapes that are told, and records that do not fit them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from forgetless.recipe import RowTemplate
from forgetless.records import Message, Row
from forgetless.sources import Record, Reject, detect_shape, row_from_record
from forgetless.sources.shapes import columns_read


def row(fields: dict[str, Any], shape: str | None = None, **options: Any) -> Row | Reject:
    shape = shape or detect_shape(fields, prompts_only=options.get("prompts_only", False)) or "none"
    found = row_from_record(
        Record("f:1", fields), shape=shape, template=options.pop("template", None), source="s", **options
    )
    return found if isinstance(found, Reject) else found.row


def turns(fields: dict[str, Any], shape: str | None = None, **options: Any) -> list[tuple[str, str, bool]]:
    result = row(fields, shape, **options)
    assert isinstance(result, Row), result
    return [(message.role, message.content, message.trained) for message in result.messages]


def reason(fields: dict[str, Any], shape: str | None = None, **options: Any) -> str:
    result = row(fields, shape, **options)
    assert isinstance(result, Reject), result
    return result.reason


USER, ASSISTANT = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}


@pytest.mark.parametrize(
    ("columns", "shape"),
    [
        ({"messages": []}, "messages"),
        ({"conversations": [], "id": "x"}, "messages"),
        ({"messages": "text"}, None),
        ({"messages": '[{"role": "user"}]'}, "messages"),
        ({"prompt": [], "completion": []}, "messages"),
        ({"prompt": []}, None),
        ({"instruction": "", "input": "", "output": ""}, "alpaca"),
        ({"instruction": "", "context": "", "response": ""}, "alpaca"),
        ({"prompt": "", "completion": ""}, "prompt_completion"),
        ({"question": "", "answer": ""}, "prompt_completion"),
        ({"question": "", "choices": [], "answer": 0}, None),
        ({"context": "", "question": "", "answer": ""}, None),
        ({"text": ""}, "text"),
        ({"text": "", "url": "", "meta": {}}, "text"),
        ({"text": "", "category": ""}, None),
        ({"prompt": ""}, None),
        ({}, None),
    ],
)
def test_a_shape_is_told_only_where_nothing_is_dropped(columns: dict[str, Any], shape: str | None) -> None:
    assert detect_shape(columns) == shape


def test_a_conversation_trains_every_assistant_turn() -> None:
    system = {"role": "system", "content": "s"}
    expected = [("system", "s", False), ("user", "q", False), ("assistant", "a", True)]
    assert turns({"messages": [system, USER, ASSISTANT]}) == expected
    assert [t for *_, t in turns({"messages": [USER, ASSISTANT, USER, ASSISTANT]})] == [False, True, False, True]


def test_turns_may_stand_under_prompt_and_completion_and_those_of_the_prompt_are_not_trained() -> None:
    fields = {"prompt": [USER, ASSISTANT, USER], "completion": [ASSISTANT]}
    assert [t for *_, t in turns(fields)] == [False, False, False, True]
    assert [content for _, content, _ in turns(fields | {"completion": None}, "messages", prompts_only=True)] == [
        "q", "a", "q",
    ]  # fmt: skip
    assert turns({"prompt": [USER]}, prompts_only=True) == [("user", "q", False)]
    assert "no answer to train on" in reason({"prompt": [USER]}, "messages")
    assert reason({"prompt": "q", "completion": "a"}, "messages") == "has no `messages`"
    assert "`completion` is not a list of turns" in reason({"prompt": [USER], "completion": "a"}, "messages")
    assert columns_read("messages", [*fields, "id"], None) == ("prompt", "completion")
    assert columns_read("messages", ["prompt", "messages"], None) == ("messages",)


def test_a_list_of_turns_may_be_json_text() -> None:
    assert turns({"messages": json.dumps([USER, ASSISTANT])}) == [("user", "q", False), ("assistant", "a", True)]
    assert "text that is no JSON" in reason({"messages": '[{"role": "user"'})
    assert "not a list of turns" in reason({"messages": "q"}, "messages")


def sharegpt(*turns: tuple[str, str]) -> dict[str, Any]:
    return {"conversations": [{"from": speaker, "value": text} for speaker, text in turns]}


@pytest.mark.parametrize(("user", "assistant"), [("human", "gpt"), ("Human", "GPT"), ("user", "chatgpt")])
def test_sharegpt_is_a_conversation(user: str, assistant: str) -> None:
    fields = sharegpt(("system", "s"), (user, "q"), (assistant, "a"))
    assert turns(fields) == [("system", "s", False), ("user", "q", False), ("assistant", "a", True)]


def test_names_that_a_turn_leaves_empty_do_not_count() -> None:
    spare = {"human": None, "assistant": None, "role": None, "content": None, "trained": None}
    conversation = [turn | spare for turn in sharegpt(("human", "q"), ("gpt", "a"))["conversations"]]
    assert turns({"conversations": conversation}) == [("user", "q", False), ("assistant", "a", True)]


def test_a_system_prompt_may_stand_beside_the_turns() -> None:
    fields = sharegpt(("human", "q"), ("gpt", "a"))
    assert turns(fields | {"system": "s"})[0] == ("system", "s", False)
    assert turns(fields | {"system": None}) == turns(fields | {"system": " "}) == turns(fields)
    own = sharegpt(("system", "own"), ("human", "q"), ("gpt", "a"))
    assert [content for _, content, _ in turns(own | {"system": "s"})] == ["own", "q", "a"]
    assert columns_read("messages", [*fields, "system", "id"], None) == ("conversations", "system")


@pytest.mark.parametrize("speaker", ["observation", "tool_response", "Function"])
def test_what_a_tool_says_is_read(speaker: str) -> None:
    answered = sharegpt(("human", "q"), (speaker, '{"n": 1}'), ("gpt", "a"))
    assert turns(answered)[1] == ("tool", '{"n": 1}', False)


def test_a_turn_may_be_a_question_with_its_answer() -> None:
    pairs = [{"human": "q", "assistant": "a"}, {"human": "r", "assistant": "b", "weight": 0}]
    assert turns({"conversation": pairs}) == [
        ("user", "q", False), ("assistant", "a", True), ("user", "r", False), ("assistant", "b", False),
    ]  # fmt: skip


def test_parts_of_text_are_joined_and_other_parts_refused() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert turns({"messages": [{"role": "user", "content": parts}, ASSISTANT]})[0] == ("user", "ab", False)
    image = [{"type": "image_url", "image_url": "x"}]
    assert "parts that are not text" in reason({"messages": [{"role": "user", "content": image}, ASSISTANT]})


@pytest.mark.parametrize(
    ("flag", "trained"), [({"weight": 0}, False), ({"trained": False}, False), ({"weight": None}, True)]
)
def test_a_turn_may_be_left_out_of_the_loss(flag: dict[str, Any], trained: bool) -> None:
    result = turns({"messages": [USER, ASSISTANT | flag, USER, ASSISTANT]})
    assert [t for *_, t in result] == [False, trained, False, True]


def test_only_the_assistant_is_ever_trained() -> None:
    assert turns({"messages": [USER | {"trained": True}, ASSISTANT]})[0] == ("user", "q", False)


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([], "prompt is empty"),
        ([USER], "no answer to train on"),
        ([USER, ASSISTANT | {"weight": 0}], "no answer to train on"),
        ([ASSISTANT], "prompt is empty"),
        ([USER, ASSISTANT | {"content": " \n"}], "answer is empty"),
        ([USER, ASSISTANT | {"content": None}], "messages[1].content` is null"),
        ([USER, ASSISTANT | {"content": {"a": 1}}], "messages[1].content` is an object"),
        ([USER, {"role": "wizard", "content": "a"}], "no role out of"),
        ([USER, "a"], "not an object"),
    ],
)
def test_a_conversation_that_cannot_be_trained_on_says_why(messages: list[Any], why: str) -> None:
    assert why in reason({"messages": messages})


def test_alpaca_joins_instruction_and_input() -> None:
    assert turns({"instruction": "i", "input": "x", "output": "o"}) == [
        ("user", "i\n\nx", False),
        ("assistant", "o", True),
    ]
    assert turns({"instruction": "i", "input": "", "output": "o"})[0] == ("user", "i", False)
    assert turns({"instruction": "i", "input": None, "output": "o"})[0] == ("user", "i", False)
    assert turns({"instruction": "i", "output": "o", "system": "s"})[0] == ("system", "s", False)


def test_alpaca_with_earlier_turns_is_refused_not_cut() -> None:
    assert "history" in reason({"instruction": "i", "output": "o", "history": [["a", "b"]]})
    assert turns({"instruction": "i", "output": "o", "history": []})


@pytest.mark.parametrize("pair", [("prompt", "completion"), ("prompt", "response"), ("question", "answer")])
def test_prompt_and_completion_under_their_usual_names(pair: tuple[str, str]) -> None:
    assert turns({pair[0]: "q", pair[1]: "a"}) == [("user", "q", False), ("assistant", "a", True)]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("", "answer is empty"),
        ("  ", "answer is empty"),
        (None, "`answer` is null"),
        ([1], "a list"),
        ({}, "an object"),
    ],
)
def test_an_answer_that_is_no_text_is_rejected(answer: object, why: str) -> None:
    assert why in reason({"question": "q", "answer": answer})


@pytest.mark.parametrize("prompt", ["", " \t"])
def test_an_empty_prompt_is_rejected(prompt: str) -> None:
    assert "prompt is empty" in reason({"question": prompt, "answer": "a"})


def test_numbers_are_rendered() -> None:
    assert turns({"question": 7, "answer": 15})[1] == ("assistant", "15", True)


def test_a_template_writes_over_columns() -> None:
    template = RowTemplate(prompt="{text}", completion='{"intent": "{category}"}', system="Be brief, {who}.")
    fields = {"text": "hi", "category": "x", "who": "bot"}
    expected = [("system", "Be brief, bot.", False), ("user", "hi", False), ("assistant", '{"intent": "x"}', True)]
    assert turns(fields, "template", template=template) == expected
    assert "`category` is null" in reason(fields | {"category": None}, "template", template=template)


def test_raw_text_has_no_messages() -> None:
    result = row({"text": "Once."})
    assert isinstance(result, Row)
    assert (result.text, result.messages, result.origin, result.source) == ("Once.", (), "f:1", "s")
    assert "empty" in reason({"text": " "})
    assert "no `text`" in reason({"prose": "a"}, "text")


def test_prompts_alone_end_with_the_last_user_turn() -> None:
    assert turns({"messages": [USER, ASSISTANT, USER, ASSISTANT]}, prompts_only=True)[-1] == ("user", "q", False)
    assert turns({"prompt": "q", "id": 1}, prompts_only=True) == [("user", "q", False)]
    assert turns({"instruction": "q", "output": ""}, prompts_only=True) == [("user", "q", False)]
    assert turns({"text": "q"}, prompts_only=True) == [("user", "q", False)]
    assert "prompt is empty" in reason({"messages": [ASSISTANT]}, prompts_only=True)


def test_the_id_speaks_of_the_content_alone() -> None:
    fields = {"question": "q", "answer": "a"}
    one = row_from_record(Record("f:1", fields), shape="prompt_completion", template=None, source="s")
    two = row_from_record(Record("g:9", fields), shape="prompt_completion", template=None, source="t")
    same = row({"messages": [USER, ASSISTANT]})
    assert not isinstance(one, Reject)
    assert not isinstance(two, Reject)
    assert isinstance(same, Row)
    assert one.row.id == two.row.id == same.id
    assert one.row.messages == (Message("user", "q"), Message("assistant", "a", trained=True))


@pytest.mark.parametrize("other", [{"question": "q", "answer": "15"}, {"question": "q5", "answer": ""}])
def test_other_content_has_another_id(other: dict[str, Any]) -> None:
    one = row({"question": "q", "answer": "5"})
    two = row(other)
    assert isinstance(one, Row)
    assert isinstance(two, Reject) or one.id != two.id


def test_the_id_of_a_row_never_changes() -> None:
    result = row({"question": "q", "answer": "a"})
    assert isinstance(result, Row)
    assert result.id == "24805482b707ad35e27772daafc36c74"


def test_a_preview_is_short_and_can_be_written_to_any_file() -> None:
    result = row({"question": "\ud83d" + "x" * 1000, "answer": "a"})
    assert isinstance(result, Reject)
    assert len(result.preview.encode()) <= 200
    assert "surrogate" in result.reason
