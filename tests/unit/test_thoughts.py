"""Thoughts and the answer after them, taken apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forgetless.thoughts import answer_of, split_thoughts, with_thoughts


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("42", "42"),
        ("<think>\n6 times 7\n</think>\n\n42", "42"),
        (" <think>a</think>42", "42"),
        ("<think></think>42", "42"),
        ("<think>a</think>\n<think>b</think>42", "42"),
        ("<think>42", ""),
        ("<think>a</think><think>42", ""),
        ("a <think>b</think> c", "a <think>b</think> c"),
        ("a</think>42", "a</think>42"),
        ("", ""),
    ],
)
def test_only_what_stands_after_the_thoughts_is_the_answer(text: str, answer: str) -> None:
    assert answer_of(text) == answer


def test_thoughts_that_never_ended_are_told_from_those_that_did() -> None:
    assert split_thoughts("<think>\nwell") == ("well", "", False)
    assert split_thoughts("<think>\nwell\n</think>\n\n") == ("well", "", True)
    assert split_thoughts("well") == ("", "well", True)


@given(st.text("ab \n", min_size=1), st.text("ab \n"))
def test_what_is_put_together_comes_apart(thoughts: str, answer: str) -> None:
    said = split_thoughts(with_thoughts(thoughts, answer))
    assert (said.thoughts, said.answer) == (thoughts.strip("\n"), answer.lstrip("\n"))
    assert with_thoughts("", answer) == answer
