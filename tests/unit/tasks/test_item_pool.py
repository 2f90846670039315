"""Duplicates, parts and order."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forgetless.errors import TaskError
from forgetless.records import Item, Message
from forgetless.tasks.pool import make_pool

Make = Callable[..., Item]


def numbered(n: int, group_of: Callable[[int], str] = lambda i: "") -> list[Item]:
    return [Item(id=f"i{i}", messages=(Message("user", f"question {i}"),), group=group_of(i)) for i in range(n)]


def test_a_third_of_the_items_is_dev() -> None:
    pool = make_pool(numbered(3000), field="task", seed=0)
    assert len(pool.dev) + len(pool.test) == 3000
    assert abs(len(pool.dev) / 3000 - 1 / 3) < 0.03


def test_the_parts_depend_neither_on_the_seed_nor_on_the_order_of_the_file() -> None:
    items = numbered(200)
    one = make_pool(items, field="task", seed=0)
    two = make_pool(items[::-1], field="task", seed=0)
    other = make_pool(items, field="task", seed=1)
    assert one == two
    assert set(other.test) == set(one.test)
    assert other.test != one.test
    assert [item.id for item in one.test] != sorted(item.id for item in one.test)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=60, max_size=60), st.integers(0, 99))
def test_a_group_is_never_on_both_parts(groups: list[int], seed: int) -> None:
    items = numbered(60, lambda i: f"g{groups[i]}")
    try:
        pool = make_pool(items, field="task", seed=seed)
    except TaskError:
        return
    assert not {item.group for item in pool.dev} & {item.group for item in pool.test}
    seen = [item.group for item in pool.test]
    assert sum(a != b for a, b in itertools.pairwise(seen)) == len(set(seen)) - 1


def test_the_same_question_and_answer_count_once_and_the_first_stays(item: Make) -> None:
    items = [*numbered(50), Item("again", (Message("user", "QUESTION  3"),))]
    pool = make_pool(items, field="task", seed=0)
    assert pool.duplicates == 1
    assert "again" not in {item.id for item in pool.all}
    both = [Item("a", (Message("user", "q"),), target="1"), Item("b", (Message("user", "q"),), target="2")]
    assert make_pool([*numbered(50), *both], field="task", seed=0).duplicates == 0


@pytest.mark.parametrize("n", [0, 1, 2])
def test_a_task_with_hardly_an_item_is_refused(n: int) -> None:
    with pytest.raises(TaskError, match="fewer than 2") as caught:
        make_pool(numbered(n), field="gsm8k.task", seed=0)
    assert caught.value.field == "gsm8k.task"


def test_one_large_group_leaves_a_part_empty_and_is_refused() -> None:
    with pytest.raises(TaskError, match="1 groups"):
        make_pool(numbered(100, lambda i: "passage"), field="task", seed=0)


def test_a_limit_takes_items_by_id_alone() -> None:
    items = numbered(500)
    one = make_pool(items, field="task", seed=0, max_items=100)
    other = make_pool(items[::-1], field="task", seed=5, max_items=100)
    assert len(one.all) == 100
    assert set(one.all) == set(other.all)
    whole = make_pool(items, field="task", seed=0)
    assert set(one.test) <= set(whole.test)


def test_every_item_stays_an_item(item: Make) -> None:
    pool = make_pool([item(str(i)) for i in range(40)], field="task", seed=0)
    ids: Any = sorted(int(i.id) for i in pool.all)
    assert ids == list(range(40))
