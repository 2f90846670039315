"""Ready sets: abilities whose items come with the package, written or generated, to be named in a recipe."""

from forgetless.tasks.ready.sets import SETS, ItemCost, ReadySet, cost_of, planned_items, ready_task

__all__ = ["SETS", "ItemCost", "ReadySet", "cost_of", "planned_items", "ready_task"]
