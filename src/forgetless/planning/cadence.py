"""How often to look, and at how many items, for a given share of the training time.

Steps, the time that they take and the price of a look go in; a cadence comes out. What the recipe says is kept and its
price told; what it leaves open is chosen so that all looks together stay within the budget. Pure arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable

from forgetless.planning.nouns import Cadence

MOST_LOOKS = 10
"""More checkpoints than this cost more level (rule 13) and disk than they tell about where an ability was lost."""

MOST_ITEMS = 400
"""A look steers and proves nothing; at this size it sees a drop of about six points in one ability."""

LEAST_ITEMS = 25
"""Fewer tell next to nothing, so a look is never made smaller than this to fit a budget."""


def looks_in(steps: int, every_steps: int | None) -> int:
    """How many looks a run takes: one every `every_steps` steps, and one at the last step."""
    assert every_steps is not None, "a plan settles `evaluation.every_steps` before anything is trained"
    return -(-steps // every_steps)


def choose_cadence(
    *,
    steps: int,
    training_seconds: float,
    look_seconds: Callable[[int], float],
    budget: float,
    dev_part: int,
    most_looks: int = MOST_LOOKS,
    every_steps: int | None = None,
    dev_items: int | None = None,
) -> Cadence:
    """The cadence of a run.

    Of the ways to spend the budget, the one is taken whose looks and items are nearest to `MOST_LOOKS` and
    `MOST_ITEMS` together: the smaller of the two fractions counts. One look, at the end, is taken whatever it costs.

    Args:
        steps: Optimiser steps of the run.
        training_seconds: What they take.
        look_seconds: What one look takes, by the most items of each task; rises with them.
        budget: The share of the training time that the looks may take.
        dev_part: Items of the largest dev part.
        most_looks: Looks for which there is room on the disk.
        every_steps: As the recipe has it, if it does.
        dev_items: As the recipe has it, if it does.
    """
    most_items = min(MOST_ITEMS, dev_part)
    allowed = budget * training_seconds

    def made(every: int, items: int) -> Cadence:
        looks = looks_in(steps, every)
        seconds = looks * look_seconds(items)
        return Cadence(
            every_steps=every,
            dev_items=items,
            looks=looks,
            share=seconds / training_seconds,
            within_budget=seconds <= allowed,
            every_steps_given=every_steps is not None,
            dev_items_given=dev_items is not None,
        )

    def worth(cadence: Cadence) -> tuple[bool, float, int]:
        looks, items = cadence.looks / MOST_LOOKS, cadence.dev_items / most_items
        return cadence.within_budget, min(looks, items), cadence.dev_items

    if every_steps is not None:
        everies = [every_steps]
    else:
        everies = sorted({-(-steps // looks) for looks in range(1, min(most_looks, steps) + 1)}, reverse=True)
    tried = []
    for every in everies:
        items = dev_items
        if items is None:
            items = _most_items(look_seconds, allowed / looks_in(steps, every), most=most_items)
        tried.append(made(every, items))
    if not any(cadence.within_budget for cadence in tried):
        return min(tried, key=lambda cadence: cadence.share)
    return max(tried, key=worth)


def _most_items(look_seconds: Callable[[int], float], seconds: float, *, most: int) -> int:
    """The most items that a look of `seconds` has time for, but at least `LEAST_ITEMS` where there are so many."""
    low, high = min(LEAST_ITEMS, most), most
    if look_seconds(high) <= seconds:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if look_seconds(middle) <= seconds else (low, middle)
    return low
