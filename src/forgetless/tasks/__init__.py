"""What a model can do, as items and scores in [0, 1]: build a task from a recipe, measure a model by it."""

from forgetless.tasks.build import build_task
from forgetless.tasks.held_out import HeldOutSplit, held_out_split
from forgetless.tasks.measuring import BLOCK_ITEMS, block_items, blocks, is_measured, kept_sheet, measure
from forgetless.tasks.pool import ItemPool
from forgetless.tasks.preference import judgements_in
from forgetless.tasks.procedural import GENERATORS
from forgetless.tasks.ready import SETS, ItemCost, ReadySet, cost_of, planned_items
from forgetless.tasks.sampling import Sample, names_in, sample_named
from forgetless.tasks.shown import shown_item
from forgetless.tasks.task import DrawItems, FixedTask, FreshTask, Scorer, Task, against
from forgetless.tasks.templates import Template, induce_template

__all__ = [
    "BLOCK_ITEMS",
    "GENERATORS",
    "SETS",
    "DrawItems",
    "FixedTask",
    "FreshTask",
    "HeldOutSplit",
    "ItemCost",
    "ItemPool",
    "ReadySet",
    "Sample",
    "Scorer",
    "Task",
    "Template",
    "against",
    "block_items",
    "blocks",
    "build_task",
    "cost_of",
    "held_out_split",
    "induce_template",
    "is_measured",
    "judgements_in",
    "kept_sheet",
    "measure",
    "names_in",
    "planned_items",
    "sample_named",
    "shown_item",
]
