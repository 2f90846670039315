"""The last number in a text, in the many ways of writing it."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forgetless.tasks.last_number import last_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("She has 3 apples and 5 pears, so 8 in all.", "8"),
        ("#### 18", "18"),
        ("$1,234,567.50 a year", "1234567.5"),
        ("**-7**", "-7"),
        ("the change is −3 degrees", "-3"),
        ("it cost -$5", "-5"),
        ("between 10-15", "15"),
        ("16 - 3 - 4 = <<16-3-4=9>>9", "9"),
        ("答案是１５。", "15"),
        ("＋３，５００元", "3500"),
        ("a half is 1/2", "1/2"),
        ("1 1/2 cups", "3/2"),
        ("1½ cups", "3/2"),
        (r"\frac{3}{4}", "3/4"),
        (r"-\dfrac{3}{4}", "-3/4"),
        (r"1\,000", "1000"),
        (r"1{,}000", "1000"),
        (".5 of it", "0.5"),
        ("2.50e3 grams", "2500"),
        ("on 10/12/2020", "2020"),
        ("25 cm²", "25"),
        ("25 cm^2", "25"),
        ("1,2", "2"),
        ("12,34", "34"),
        ("18kg", "18"),
        ("18.", "18"),
        ("x=(-4)", "-4"),
    ],
)
def test_the_last_number_is_read(text: str, number: str) -> None:
    assert last_number(text) == Fraction(number)


@pytest.mark.parametrize("text", ["", "no number", "- - -", "1/0", "9" * 5000, "five"])
def test_what_is_no_number_is_none(text: str) -> None:
    assert last_number(text) is None


def test_an_exponent_beyond_reason_is_not_computed() -> None:
    assert last_number("1e999999999") == 999999999


@settings(deadline=None)
@given(st.integers(-(10**12), 10**12))
def test_thousands_separators_and_trailing_zeros_change_nothing(value: int) -> None:
    assert last_number(f"so it is {value:,} in all") == value
    assert last_number(f"{value}.00") == value


@settings(deadline=None)
@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    last_number(text)
