"""Templates over columns."""

from __future__ import annotations

import pytest

from forgetless.errors import DataError
from forgetless.sources import columns_used, fill


def test_columns_are_filled_and_other_braces_stay() -> None:
    template = '{"intent": "{category}", "slots": {}, "n": {"a": 1}}'
    assert fill(template, {"category": "x", "": "index"}, field="t") == '{"intent": "x", "slots": {}, "n": {"a": 1}}'


def test_a_value_is_not_searched_for_columns_again() -> None:
    assert fill("{a} {b}", {"a": "{b}", "b": r"\1 {a}"}, field="t") == r"{b} \1 {a}"


def test_names_that_are_no_identifiers_are_columns_too() -> None:
    fields = {"Question text": "q", "问题": "w", "a-b": "h", "a": "short"}
    assert fill("{Question text} {问题} {a-b} {a}", fields, field="t") == "q w h short"


def test_numbers_and_truth_values_are_written_as_in_json() -> None:
    fields = {"i": 15, "f": 1.5, "t": True, "s": "015"}
    assert fill("{i} {f} {t} {s}", fields, field="t") == "15 1.5 true 015"


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "null"),
        ([1], "a list"),
        ({}, "an object"),
        (float("nan"), "not a finite number"),
        ("\ud83d", "surrogate"),
    ],
)
def test_what_is_not_text_is_refused(value: object, kind: str) -> None:
    with pytest.raises(DataError, match=kind):
        fill("{a}", {"a": value}, field="t")
    assert fill("nothing", {"a": value}, field="t") == "nothing"


def test_an_unknown_column_is_answered_with_the_nearest_and_all() -> None:
    with pytest.raises(DataError) as caught:
        fill("{categry}", {"text": "", "category": ""}, field="sources.a.template.prompt")
    assert caught.value.field == "sources.a.template.prompt"
    assert "the columns are `text`, `category`" in caught.value.rule
    assert caught.value.way_out == "did you mean `{category}`?"


def test_columns_are_listed_once_in_order_of_use() -> None:
    assert columns_used("{b} {a} {b} {1} { a}", ["a", "b", "c"], field="t") == ("b", "a")
