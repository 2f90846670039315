"""Items in, the dev and the test part out: duplicates removed, split by group, in random order.

What may be adapted to and what certifies must never meet, so the split is made here, once, before anything is
measured. It looks at nothing but the ids of the groups: which items the base model can solve plays no part in it, for
choosing items by the base's success would make every other model look as if it had forgotten.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from forgetless.errors import TaskError
from forgetless.records import Item, Part
from forgetless.sources import prompt_key
from forgetless.verdicts import part_of

SMALLEST_PART = 2
"""Fewer items have no spread, and a verdict on them would be a statement about one item."""

# One salt for every task: the same question asked by two tasks (right or wrong here, the probability of its answer
# there) falls on the same part of both, and renaming a task does not draw a new test part.
_SPLIT = "forgetless items"


@dataclass(frozen=True, slots=True)
class ItemPool:
    """The two parts of a fixed list of items, and what was left out: duplicates, and questions without an answer."""

    dev: tuple[Item, ...]
    test: tuple[Item, ...]
    duplicates: int = 0
    unanswered: int = 0

    def part(self, part: Part) -> tuple[Item, ...]:
        """The items of one part, groups in random order and whole."""
        return self.dev if part == "dev" else self.test

    @property
    def all(self) -> tuple[Item, ...]:
        """Every item of both parts."""
        return self.dev + self.test


def make_pool(
    items: Iterable[Item], *, field: str, seed: int, max_items: int | None = None, unanswered: int = 0
) -> ItemPool:
    """Split items into a dev part (a third of the groups) and a test part.

    Args:
        items: May hold duplicates: items with the same normalised prompt, target and choices.
        field: Where the items are set in the recipe, for errors.
        seed: Fixes the order within the parts, not which item falls on which part.
        max_items: Keep about this many items, in whole groups chosen by their ids alone.
        unanswered: How many questions made no item because they had no answer; noted in the pool.

    Raises:
        TaskError: A part has fewer than two items.
    """
    items = list(items)
    distinct = _without_duplicates(items)
    groups: dict[str, list[Item]] = defaultdict(list)
    for item in sorted(distinct, key=lambda item: item.id):
        groups[item.group or item.id].append(item)
    chosen = _chosen_groups(groups, max_items)
    pool = ItemPool(
        dev=_ordered("dev", groups, chosen, seed),
        test=_ordered("test", groups, chosen, seed),
        duplicates=len(items) - len(distinct),
        unanswered=unanswered,
    )
    return _large_enough(pool, field)


def _without_duplicates(items: Sequence[Item]) -> list[Item]:
    kept = {(prompt_key(item.messages), item.target, tuple(sorted(item.choices))): item for item in reversed(items)}
    return list(kept.values())


def _chosen_groups(groups: dict[str, list[Item]], max_items: int | None) -> list[str]:
    names = sorted(groups)
    if max_items is None:
        return names
    random.Random(_SPLIT).shuffle(names)
    chosen, n = [], 0
    for name in names:
        if n >= max_items:
            break
        chosen.append(name)
        n += len(groups[name])
    return sorted(chosen)


def _ordered(part: Part, groups: dict[str, list[Item]], chosen: Sequence[str], seed: int) -> tuple[Item, ...]:
    names = [name for name in chosen if part_of(name, salt=_SPLIT) == part]
    rng = random.Random(f"order of items:{seed}")
    rng.shuffle(names)
    return tuple(item for name in names for item in rng.sample(groups[name], len(groups[name])))


def _large_enough(pool: ItemPool, field: str) -> ItemPool:
    for part, items in (("dev", pool.dev), ("test", pool.test)):
        if len(items) < SMALLEST_PART:
            groups = len({item.group or item.id for item in pool.all})
            raise TaskError(
                field=field,
                value=f"{len(pool.all)} distinct items in {groups} groups, {pool.duplicates} duplicates left out",
                rule=f"the {part} part has {len(items)} of them, and none can be judged on fewer than {SMALLEST_PART}",
                way_out="give more items, or a `group` column with more than a handful of different values",
            )
    return pool
