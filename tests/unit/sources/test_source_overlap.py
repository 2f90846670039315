"""Questions of tasks are kept out of training rows."""

from __future__ import annotations

import pytest

from forgetless.records import Message, Row
from forgetless.sources import prompt_key, remove_items


def asks(*questions: str, system: str = "", answer: str = "a") -> tuple[Message, ...]:
    opening = (Message("system", system),) if system else ()
    return (*opening, *(m for q in questions for m in (Message("user", q), Message("assistant", answer, trained=True))))


def row(messages: tuple[Message, ...] = (), text: str | None = None) -> Row:
    return Row(id=repr((messages, text)), source="s", messages=messages, text=text)


@pytest.mark.parametrize("other", ["what is 1+1?", "  What\tis\n1+1? ", "Ｗhat is １+1?"])
def test_case_width_and_spacing_do_not_make_another_question(other: str) -> None:
    assert prompt_key(asks("What is 1+1?")) == prompt_key(asks(other, system="Be brief.", answer="b"))


@pytest.mark.parametrize("other", ["请计算:1+1等于几?", "请 计算： 1+1 等于几？", "请计算: １＋１ 等于\n几?"])
def test_spaces_mean_nothing_in_chinese(other: str) -> None:
    assert prompt_key(asks("请计算：1+1等于几？")) == prompt_key(asks(other))


@pytest.mark.parametrize(
    ("one", "two"), [("15", "5"), ("a b", "ab"), ("1+1?", "1+1"), ("1.5", "15"), ("算1 5", "算15"), ("算a b", "算ab")]
)
def test_other_questions_have_other_keys(one: str, two: str) -> None:
    assert prompt_key(asks(one)) != prompt_key(asks(two))


def test_turns_are_not_run_together() -> None:
    assert prompt_key(asks("a", "b")) != prompt_key(asks("a b"))


def test_rows_that_ask_an_item_are_left_out_and_counted() -> None:
    rows = [row(asks("one")), row(asks("TWO ")), row(asks("three")), row(asks("start", "two"))]
    kept, removed = remove_items(rows, {prompt_key(asks("two")), prompt_key(asks("never asked"))})
    assert (kept, removed) == ((rows[0], rows[2]), 2)


def test_a_conversation_is_matched_as_a_whole_too() -> None:
    rows = [row(asks("a", "b")), row(asks("a", "c"))]
    assert remove_items(rows, [prompt_key(asks("a", "b"))]) == ((rows[1],), 1)


def test_raw_text_stays_and_no_keys_remove_nothing() -> None:
    rows = [row(text="two"), row(asks("two"))]
    assert remove_items(rows, {prompt_key(asks("two"))}) == ((rows[0],), 1)
    assert remove_items(rows, ()) == (tuple(rows), 0)
    assert remove_items([rows[0]], {prompt_key([])}) == ((rows[0],), 0)
