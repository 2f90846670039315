"""How often to look: within the budget where the plan may choose, and as written where it may not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forgetless.planning import choose_cadence, looks_in
from forgetless.planning.cadence import LEAST_ITEMS, MOST_ITEMS, MOST_LOOKS


def price(seconds_per_item: float, at_least: float = 0.0, dev_part: int = 10_000) -> Callable[[int], float]:
    return lambda items: at_least + seconds_per_item * min(items, dev_part)


def choose(seconds_per_item: float, **changes: Any) -> Any:
    plain = {"steps": 1000, "training_seconds": 1000.0, "budget": 0.15, "dev_part": 10_000}
    return choose_cadence(look_seconds=price(seconds_per_item), **{**plain, **changes})


def test_where_looks_cost_nothing_there_are_as_many_as_help() -> None:
    cadence = choose(1e-9)
    assert (cadence.looks, cadence.every_steps, cadence.dev_items) == (MOST_LOOKS, 100, MOST_ITEMS)
    assert cadence.within_budget


def test_a_small_budget_is_shared_between_looks_and_items() -> None:
    # 150 s buy 1,000 answers of 0.15 s each: a quarter of 10 looks at 400 items, half of either.
    cadence = choose(0.15)
    assert (cadence.looks, cadence.dev_items) == (5, 200)
    assert cadence.share == pytest.approx(0.15)


def test_one_look_at_a_few_items_is_taken_whatever_it_costs() -> None:
    cadence = choose(100.0)
    assert (cadence.looks, cadence.every_steps, cadence.dev_items) == (1, 1000, LEAST_ITEMS)
    assert not cadence.within_budget
    assert cadence.share == pytest.approx(2.5)


def test_what_is_written_is_kept_and_its_price_is_told() -> None:
    cadence = choose(0.15, every_steps=10, dev_items=300)
    assert (cadence.every_steps, cadence.dev_items, cadence.looks) == (10, 300, 100)
    assert (cadence.every_steps_given, cadence.dev_items_given) == (True, True)
    assert not cadence.within_budget
    assert cadence.share == pytest.approx(100 * 45 / 1000)


def test_items_follow_from_written_steps_and_looks_from_written_items() -> None:
    by_steps = choose(0.15, every_steps=250)
    assert (by_steps.looks, by_steps.dev_items) == (4, 250)
    assert (by_steps.every_steps_given, by_steps.dev_items_given) == (True, False)
    by_items = choose(0.15, dev_items=300)
    assert (by_items.looks, by_items.every_steps) == (3, 334)


def test_a_disk_with_little_room_gets_few_looks() -> None:
    assert choose(1e-9, most_looks=3).looks == 3


def test_a_run_of_one_step_is_looked_at_once() -> None:
    assert choose(1e-9, steps=1).looks == 1


@pytest.mark.parametrize(("steps", "every", "looks"), [(12, 4, 3), (13, 4, 4), (3, 50, 1), (50, 50, 1)])
def test_the_last_step_is_always_looked_at(steps: int, every: int, looks: int) -> None:
    assert looks_in(steps, every) == looks


@given(
    steps=st.integers(1, 5000),
    seconds_per_item=st.floats(1e-6, 10.0),
    at_least=st.floats(0.0, 10.0),
    budget=st.floats(0.01, 1.0),
    dev_part=st.integers(2, 1000),
    most_looks=st.integers(1, MOST_LOOKS),
    every_steps=st.none() | st.integers(1, 6000),
    dev_items=st.none() | st.integers(2, 2000),
)
def test_a_choice_is_within_the_budget_or_the_least_that_there_is(
    steps: int,
    seconds_per_item: float,
    at_least: float,
    budget: float,
    dev_part: int,
    most_looks: int,
    every_steps: int | None,
    dev_items: int | None,
) -> None:
    look = price(seconds_per_item, at_least, dev_part)
    cadence = choose_cadence(
        steps=steps,
        training_seconds=float(steps),
        look_seconds=look,
        budget=budget,
        dev_part=dev_part,
        most_looks=most_looks,
        every_steps=every_steps,
        dev_items=dev_items,
    )
    spent = cadence.looks * look(cadence.dev_items)
    assert cadence.looks == looks_in(steps, cadence.every_steps)
    assert cadence.share == pytest.approx(spent / steps)
    assert cadence.within_budget == (spent <= budget * steps)
    assert every_steps in (None, cadence.every_steps)
    assert dev_items in (None, cadence.dev_items)
    if every_steps is None:
        assert cadence.looks <= most_looks
    if dev_items is None:
        assert cadence.dev_items <= dev_part
    if not cadence.within_budget:
        least = dev_items or min(LEAST_ITEMS, dev_part, MOST_ITEMS)
        assert cadence.dev_items == least
        assert every_steps is not None or cadence.looks == 1
