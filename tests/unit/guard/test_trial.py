"""What a few items of a task say about a base."""

from __future__ import annotations

from typing import Any

import pytest

from forgetless.errors import TaskError
from forgetless.guard import try_sample
from forgetless.tasks import SETS, sample_named


class Knowing:
    """Answers a share of the questions right, and the others with nonsense."""

    model_hash = settings_hash = "knowing"

    def __init__(self, name: str, *, n: int, share: float) -> None:
        items = SETS[name].sample(name, n=n, seed=0)  # type: ignore[index]
        self.known = {item.messages[-1].content: item.target for item in items[: round(share * n)]}

    def generate(self, prompts: Any, **asked: Any) -> list[str]:
        return [self.known.get(messages[-1].content, "no idea") for messages in prompts]


def trial(share: float, *, n: int = 40) -> Any:
    return try_sample(Knowing("maths", n=n, share=share), sample_named("maths", n=n, seed=0))  # type: ignore[arg-type]


def test_an_ability_that_is_there_can_be_kept() -> None:
    found = trial(0.5)
    assert (found.score, found.n, found.chance, found.present) == (0.5, 40, 0.0, True)
    assert found.said == "can be kept"
    assert 0.0 in found.subjects.values() or 1.0 in found.subjects.values()


def test_where_nothing_is_there_nothing_can_be_kept() -> None:
    found = trial(0.0)
    assert not found.present
    assert found.said == "this base cannot do this; nothing to keep"


def test_a_few_right_answers_are_not_enough_to_tell() -> None:
    found = trial(0.1, n=20)
    assert not found.present
    assert "try more" in found.said


def test_a_set_that_needs_a_domain_says_so() -> None:
    with pytest.raises(TaskError, match="no domain here"):
        try_sample(Knowing("maths", n=2, share=1.0), sample_named("format_freedom", n=2, seed=0))  # type: ignore[arg-type]
