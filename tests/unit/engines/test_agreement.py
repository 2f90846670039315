"""Whether a server serves the base: seen from greedy answers, and from draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from forgetless.engines import Agreement, check_agreement
from forgetless.errors import EndpointError
from forgetless.records import Message
from forgetless.sampling import GREEDY, Sampling

PROMPTS = [(Message("user", f"question {i}"),) for i in range(16)]


class Scripted:
    """Answers the n-th prompt by `greedy(n)`, or by `drawn(n)` at a temperature."""

    model_hash = settings_hash = "scripted"

    def __init__(self, greedy: Callable[[int], str], drawn: Callable[[int], str] = lambda n: f"drawn {n}") -> None:
        self.greedy, self.drawn = greedy, drawn
        self.asked: list[dict[str, Any]] = []

    def generate(self, prompts: Sequence[Any], *, sampling: Sampling = GREEDY, **others: Any) -> list[str]:
        self.asked.append(others)
        return [(self.drawn if sampling.temperature else self.greedy)(n) for n in range(len(prompts))]


def check(served: Any, *, temperature: float = 0.0, here: Any = None) -> Agreement:
    here = here or Scripted(lambda n: f"answer {n}")
    return check_agreement(here, served, PROMPTS, temperature=temperature, field="replay.endpoint")


@pytest.mark.parametrize("wrong", [0, 1, 4])
def test_a_few_answers_may_fall_to_rounding(wrong: int) -> None:
    served = Scripted(lambda n: "another" if n < wrong else f"answer {n}")
    assert check(served) == (16, 16 - wrong)
    assert served.asked == [{"max_new_tokens": 16}]


def test_another_model_is_refused_with_an_example() -> None:
    with pytest.raises(EndpointError) as caught:
        check(Scripted(lambda n: "another" if n < 5 else f"answer {n}"))
    assert caught.value.field == "replay.endpoint"
    assert caught.value.value == "11 of 16 greedy answers agree"
    assert all(word in caught.value.rule for word in ("question 0", "answer 0", "another"))


def test_a_server_that_never_draws_is_refused_where_draws_are_wanted() -> None:
    greedy = Scripted(lambda n: f"answer {n}", lambda n: f"answer {n}")
    assert check(greedy).agreed == 16
    with pytest.raises(EndpointError, match="does not sample") as caught:
        check(greedy, temperature=0.7)
    assert caught.value.value == "temperature 0.7"


def test_a_base_that_is_sure_of_itself_tells_nothing_about_draws() -> None:
    sure = Scripted(lambda n: f"answer {n}", lambda n: "drawn" if n < 4 else f"answer {n}")
    assert check(Scripted(sure.greedy, sure.greedy), temperature=0.7, here=sure).agreed == 16
