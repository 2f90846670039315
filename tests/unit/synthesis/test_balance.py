"""Prompts in groups of like form, and the turns that groups take."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from forgetless import nano
from forgetless.synthesis.balance import group_by_form, take_turns


def taken(sizes: list[int], n: int) -> list[int]:
    """How many are taken of groups of some sizes, in random order."""
    groups = [group for group, size in enumerate(sizes) for _ in range(size)]
    random.Random(0).shuffle(groups)
    found = Counter(groups[number] for number in take_turns(groups, n))
    return [found[group] for group in range(len(sizes))]


@pytest.mark.parametrize(
    ("sizes", "n", "parts"),
    [
        ([900, 100], 400, [300, 100]),  # as 3 : 1, as long as there are any
        ([900, 100], 200, [150, 50]),
        ([2500, 400, 100], 80, [50, 20, 10]),
        ([7, 7], 14, [7, 7]),
        ([3], 9, [3]),
        ([1, 1, 1, 1], 2, [1, 1, 0, 0]),
    ],
)
def test_parts_are_as_the_square_roots_of_sizes(sizes: list[int], n: int, parts: list[int]) -> None:
    found = taken(sizes, n)
    assert sum(found) == min(n, sum(sizes))
    assert sorted(found) == pytest.approx(sorted(parts), abs=1)


def test_prompts_stay_in_the_order_in_which_they_were_written() -> None:
    groups = [0, 0, 1, 0, 0, 1, 2, 0]
    numbers = take_turns(groups, 5)
    assert numbers == sorted(numbers)
    assert {2, 6} <= set(numbers)
    assert take_turns([0] * 9, 4) == [0, 1, 2, 3], "one group is taken as it was written"


def test_prompts_of_like_form_are_one_group() -> None:
    rng = random.Random(0)
    kinds = ["arithmetic"] * 40 + ["sorting", "reversing", "pattern", "weekday", "even_or_odd"] * 2
    asked = [(kind, nano.generator(kind)(rng).question) for kind in (rng.choice(kinds) for _ in range(2000))]
    groups = group_by_form([text for _, text in asked])
    members: dict[int, Counter[str]] = {}
    for (kind, _), group in zip(asked, groups, strict=True):
        members.setdefault(group, Counter())[kind] += 1
    assert all(len(kinds) == 1 for kinds in members.values())
    assert len(members) < 20
    written = Counter(kind for kind, _ in asked)
    chosen = Counter(asked[number][0] for number in take_turns(groups, 1000))
    assert chosen["arithmetic"] / 1000 < 0.85 * written["arithmetic"] / 2000
    assert all(chosen[kind] / 1000 > 1.2 * written[kind] / 2000 for kind in set(kinds) - {"arithmetic"})


def test_groups_are_the_same_every_time_and_texts_unlike_all_others_stand_alone() -> None:
    texts = [f"{word} " * 3 for word in ("apple", "river", "光合作用", "zebra", "\ud800 alone")]
    assert group_by_form(texts) == [0, 1, 2, 3, 4]
    assert group_by_form([*texts, *texts]) == [0, 1, 2, 3, 4] * 2
    assert group_by_form([]) == []
