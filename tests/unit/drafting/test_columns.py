"""Which columns of a table are the question and the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from forgetless.drafting.columns import are_labels, template_over
from forgetless.errors import DataError
from forgetless.sources import Record


class AskedError(Exception):
    """Stands for the question that would have been asked."""


def ask(columns: Sequence[str]) -> str:
    raise AskedError(", ".join(columns))


def records(n: int = 40, **columns: Any) -> list[Record]:
    return [Record(f"t.csv:{i}", {name: make(i) for name, make in columns.items()}) for i in range(n)]


def found(rows: Sequence[Record], **named: Any) -> tuple[str, str]:
    template = template_over(rows, question=named.get("question"), answer=named.get("answer"), ask=ask)
    return template.prompt, template.completion


def text(i: int) -> str:
    return f"a rather long message number {i} about something or other"


def label(i: int) -> str:
    return ("refund", "card", "login")[i % 3]


def test_names_decide_first() -> None:
    rows = records(category=label, text=text, kind=label)
    assert found(rows) == ("{text}", "{category}")


def test_chinese_names_count_too() -> None:
    rows = records(编号=str, 问题=text, 答案=text)
    assert found(rows) == ("{问题}", "{答案}")


def test_the_only_column_of_labels_is_the_answer_and_the_longest_texts_the_question() -> None:
    rows = records(id=str, code=label, body=text, short=lambda i: f"s{i}")
    assert found(rows) == ("{body}", "{code}")


def test_what_is_not_clear_is_asked() -> None:
    with pytest.raises(AskedError, match="body, one, other"):
        found(records(body=text, one=label, other=label))
    with pytest.raises(AskedError):
        found(records(text=text, answer=text, label=label))


def test_what_the_user_names_is_taken() -> None:
    rows = records(body=text, one=label, other=text)
    assert found(rows, answer="other") == ("{body}", "{other}")
    assert found(rows, question="other", answer="body") == ("{other}", "{body}")


@pytest.mark.parametrize("named", [{"answer": "labl"}, {"question": "txt"}])
def test_a_named_column_must_be_there(named: dict[str, str]) -> None:
    with pytest.raises(DataError, match="`label`") as caught:
        found(records(text=text, label=label), **named)
    assert caught.value.field == f"--{next(iter(named))}"


def test_question_and_answer_are_two_columns() -> None:
    with pytest.raises(DataError, match="column of the question as well") as caught:
        found(records(text=text, label=label), question="text", answer="text")
    assert caught.value.field == "--answer"


def test_empty_columns_and_lists_are_no_columns() -> None:
    rows = records(text=text, empty=lambda i: "", label=label, many=lambda i: [i])
    assert found(rows) == ("{text}", "{label}")
    with pytest.raises(DataError, match="two columns"):
        found(records(text=text, empty=lambda i: ""))


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (["a", "b"] * 10, True),
        (["a"] * 20, False),
        ([str(i) for i in range(20)], False),
        (["x" * 61, "y"] * 10, False),
    ],
)
def test_labels_are_short_and_few(values: list[str], labels: bool) -> None:
    assert are_labels(values) is labels
