"""Outputs against references."""

from __future__ import annotations

import time

import pytest

from forgetless.errors import TaskError
from forgetless.tasks import matching
from forgetless.tasks.matching import Match, check_reference, matcher


@pytest.mark.parametrize(
    ("match", "output", "reference", "right"),
    [
        ("exact", " yes\n", "yes", True),
        ("exact", "Ｙes", "Yes", True),
        ("exact", "yes.", "yes", False),
        ("exact", "", "yes", False),
        ("number", "the answer is 15", "5", False),
        ("number", "the answer is 5.0 apples", "5", True),
        ("number", "0.5", "1/2", True),
        ("number", "-5", "5", False),
        ("number", "I do not know", "5", False),
        ("number", "", "0", False),
        ("number", "答案是一百二十。", "120", True),
        ("number", "一共１，２３４元", "1234", True),
        ("number", "一百五", "5", False),
        ("number", "3万元", "30000", True),
        ("number", "3万元", "3", True),
        ("number", "3万元", "3亿元", False),
        ("number", "30000元", "3万", True),
        ("json", '{"意图": "Ａ１，查询"}', '{"意图": "A1,查询"}', True),
        ("json", '{"b": [1, 2], "a": "x"}', '{"a": "x", "b": [1, 2]}', True),
        ("json", '```json\n{"a": 1}\n```', '{"a": 1.0}', True),
        ("json", '{"a": true}', '{"a": 1}', False),
        ("json", '{"a": [2, 1]}', '{"a": [1, 2]}', False),
        ("json", '{"a": 1, "b": 2}', '{"a": 1}', False),
        ("json", 'Here: {"a": 1}', '{"a": 1}', False),
        ("json", '{"a": 1', '{"a": 1}', False),
        ("json", "[" * 100_000, "[]", False),
        ("json", "NaN", "null", False),
        ("json", "", "null", False),
    ],
)
def test_outputs_are_right_or_wrong(match: Match, output: str, reference: str, right: bool) -> None:
    assert matcher(match)(output, reference) is right


def test_a_regex_compares_its_first_group_or_the_whole_match() -> None:
    assert matcher("regex", pattern=r"Answer: (\w+)")("Well. Answer: B!", "B")
    assert matcher("regex", pattern=r"[A-D]")("C, surely", "C")
    assert not matcher("regex", pattern=r"Answer: (\w+)")("B", "B")
    assert not matcher("regex", pattern=r"x(y)?")("x", "y")


@pytest.mark.parametrize("output", ["", " ", "none"])
@pytest.mark.parametrize("pattern", [r"\d*", r"(\d*)", r".*?", r"(x)?"])
def test_a_pattern_that_finds_nothing_of_length_is_wrong(pattern: str, output: str) -> None:
    """Nothing equals an empty reference, be it let through by mistake."""
    assert not matcher("regex", pattern=pattern)(output, "")
    assert not matcher("regex", pattern=pattern)(output, "5")


def test_a_regex_finds_characters_of_full_width() -> None:
    assert matcher("regex", pattern=r"Answer: *([A-D])")("Ａnswer：Ｂ", "B")
    assert matcher("regex", pattern=r"答案：([A-D])")("答案：B", "Ｂ")


def test_a_pattern_that_would_search_for_ever_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """It tries every way to cut the answer up into ones and twos, of which there are as many as rabbits."""
    monkeypatch.setattr(matching, "PATTERN_SECONDS", 0.2)
    is_right = matcher("regex", pattern=r"^(a|aa)+$")
    assert is_right("aaa", "a")
    started = time.monotonic()
    assert is_right("a" * 60 + "!", "a") is False
    assert time.monotonic() - started < 10.0


def test_a_broken_pattern_is_refused() -> None:
    with pytest.raises(TaskError, match="not a regular expression"):
        matcher("regex", pattern="(")


@pytest.mark.parametrize(("match", "reference"), [("number", "none"), ("json", "{a}"), ("exact", " "), ("regex", "")])
def test_a_reference_that_nothing_could_match_is_refused(match: Match, reference: str) -> None:
    with pytest.raises(TaskError, match="items:7"):
        check_reference(match, reference, origin="items:7", field="answer")
