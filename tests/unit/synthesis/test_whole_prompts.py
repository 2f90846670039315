"""Prompts without an end are drawn again, until a model that writes none is given up on."""

from __future__ import annotations

import pytest

from forgetless.errors import ModelError
from forgetless.synthesis.whole_prompts import whole_prompts


def test_prompts_without_an_end_are_drawn_again() -> None:
    drawn: list[int] = []

    def draw(count: int, seed: int) -> list[str]:
        drawn.append(count)
        return [f" {seed % 1000} {i} " if i % 3 == 0 else " " for i in range(count)]

    texts = whole_prompts(30, draw, seed=1, max_new_tokens=9)
    assert len(texts) == 30
    assert all(text == text.strip() and text for text in texts)
    assert drawn[0] == 30
    assert sum(drawn) < 200


def test_a_model_that_ends_no_prompt_is_given_up_on() -> None:
    drawn: list[int] = []

    def draw(count: int, seed: int) -> list[str]:
        drawn.append(count)
        return [""] * count

    with pytest.raises(ModelError, match="only 0 were whole"):
        whole_prompts(20, draw, seed=1, max_new_tokens=9)
    assert sum(drawn) < 500
