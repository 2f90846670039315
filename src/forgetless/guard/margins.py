"""What the test part of a task can show, and the margin that follows where the recipe names none.

A task goes in; out come the units of evidence on its test part and the smallest margin that they can certify. No model
is asked: a task too small to tell says so before anything is trained.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from forgetless.errors import TaskError
from forgetless.guard.capability import Capability
from forgetless.tasks import Task
from forgetless.verdicts import assumed_discordance, smallest_margin_points, training_budget

_SAMPLE = 64


@dataclass(frozen=True, slots=True)
class JudgedPart:
    """The test part as a verdict counts it.

    Attributes:
        items: How many items there are.
        units: Items, or groups where items share one (rule 12).
        exact: Whether losses and gains are counted; otherwise the verdict bets, which needs more items.
        discordance: π, assumed (rule 20).
        largest_group: Items of the largest group.
    """

    items: int
    units: int
    exact: bool
    discordance: float
    largest_group: int = 1

    @property
    def bets(self) -> int:
        """Whole bets that the units are worth: rule 12 bets on a group by its share of the largest."""
        return max(1, self.items // self.largest_group)


def judged_part(task: Task, *, limit: int | None) -> JudgedPart:
    """The test part of a task.

    Args:
        task: The task; of a fresh one, a few dev items tell whether its items share groups.
        limit: The most test items that the certificate asks.
    """
    size = task.size("test")
    items = size if limit is None else min(limit, size)
    seen = task.items("dev", limit=_SAMPLE) if task.fresh else task.items("test", limit=limit)
    sizes = Counter(item.group or item.id for item in seen)
    alone = len(sizes) / len(seen)
    return JudgedPart(
        items=items,
        units=round(items * alone),
        exact=task.binary and alone == 1.0,
        discordance=assumed_discordance(binary=task.binary),
        largest_group=max(sizes.values(), default=1),
    )


def training_aim(capability: Capability, part: JudgedPart, *, discordance: float, alpha: float, jointly: int) -> float:
    """Rule 15: the drop that training may aim at. Of a list that is asked whole nothing is uncertain.

    Args:
        capability: Its margin, and what its verdict is about.
        part: Its test part.
        discordance: π, assumed or measured.
        alpha: One-sided level of the verdict.
        jointly: How many capabilities are to be kept together.
    """
    if capability.target == "list" and part.items == capability.task.size("test"):
        return capability.margin
    return training_budget(capability.margin, part.bets, discordance, alpha, jointly=jointly, exact=part.exact)


def default_margin_points(name: str, part: JudgedPart, *, alpha: float, capabilities: int) -> float:
    """The smallest margin, in points, at which the part can tell kept from dropped; rounded up to a tenth.

    Args:
        name: The capability's name.
        part: Its test part.
        alpha: One-sided level.
        capabilities: How many are judged together.

    Raises:
        TaskError: There is no such margin below 100 points.
    """
    points = smallest_margin_points(part.bets, part.discordance, alpha, capabilities=capabilities, exact=part.exact)
    if points is None:
        raise TaskError(
            field=f"keep.{name}.margin_points",
            value="(not given)",
            rule=f"{part.units} test items can tell no drop, however large, from none, so no margin follows from them",
            way_out="give more items, or write `margin_points:` and expect `undecided`",
        )
    return points
