"""The last number in a text, in the many ways of writing it."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forgetless.tasks.last_number import last_number


def value_of(text: str) -> Fraction | None:
    number = last_number(text)
    return None if number is None else number.value * number.scale


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
    assert value_of(text) == Fraction(number)


@pytest.mark.parametrize("text", ["", "no number", "- - -", "1/0", "9" * 5000, "five"])
def test_what_is_no_number_is_none(text: str) -> None:
    assert last_number(text) is None


def test_an_exponent_beyond_reason_is_not_computed() -> None:
    assert value_of("1e999999999") == 999999999


@settings(deadline=None)
@given(st.integers(-(10**12), 10**12))
def test_thousands_separators_and_trailing_zeros_change_nothing(value: int) -> None:
    assert value_of(f"so it is {value:,} in all") == value
    assert value_of(f"{value}.00") == value


@settings(deadline=None)
@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    last_number(text)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("一共是一百二十个。", "120"),
        ("两千零五", "2005"),
        ("三万五", "35000"),
        ("一万零五", "10005"),
        ("一百二", "120"),
        ("三万亿", "3e12"),
        ("公元二〇二四年", "2024"),
        ("百分之十五", "15"),
        ("三分之二", "2/3"),
        ("三又二分之一", "7/2"),
        ("5分之3", "3/5"),
        ("负十二度", "-12"),
        ("零点五", "0.5"),
        ("一点五万元", "15000"),
        ("壹佰贰拾元整", "120"),
        ("八点三十分", "30"),
        ("3个加5个，一共十二个", "12"),
        ("每人3万元", "30000"),
        ("共 1.5 亿", "150000000"),
        ("5千克", "5"),
        ("答案是15，这是唯一的解，一点一点来", "15"),
        ("15是一个奇数", "15"),
        ("三心二意，答案是7", "7"),
        ("还剩八个苹果", "8"),
        ("答案是**八**", "8"),
        ("答案：一", "1"),
        ("十。", "10"),
    ],
)
def test_chinese_numbers_are_read(text: str, number: str) -> None:
    assert value_of(text) == Fraction(number)


@pytest.mark.parametrize(
    "text", ["这是一个问题", "万一。", "十分重要", "要统一", "几十个", "十几个", "两三个", "一般来说"]
)
def test_characters_of_numbers_in_other_words_are_none(text: str) -> None:
    assert last_number(text) is None


def spoken(number: int) -> str:
    """A whole number below 10^12 in Chinese, sections of four digits at a time."""
    text, gap = "", False
    for size, name in ((10**8, "亿"), (10**4, "万"), (1, "")):
        section = number // size % 10**4
        if not section:
            gap = gap or bool(text)
            continue
        digits = f"{section:04d}"
        words = "".join(
            "零" if d == "0" else "零一二三四五六七八九"[int(d)] + u for d, u in zip(digits, "千百十 ", strict=True)
        )
        words = re.sub("零+", "零", words.replace(" ", "")).rstrip("零")
        text += ("零" if gap and not words.startswith("零") else "") + (words if text else words.lstrip("零")) + name
        gap = False
    return text or "零"


@settings(deadline=None)
@given(st.integers(0, 10**12 - 1))
def test_any_spoken_number_is_read(number: int) -> None:
    assert value_of(f"答案是{spoken(number)}。") == number
