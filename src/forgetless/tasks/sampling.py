"""Some items of anything that has a name: a ready set, a generator, a benchmark, a task of a recipe.

For looking at items and for trying them on a model before a recipe is run; nothing here touches the test part of a
task with a list of its own.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from forgetless.errors import TaskError
from forgetless.recipe import (
    READY_SETS,
    ComparisonRecipe,
    HeldOutTask,
    LmEvalTask,
    PreferenceTask,
    ProceduralTask,
    ReadyTask,
    ReasoningGymTask,
    Recipe,
    TaskSettings,
    TemplateLeakTask,
    ready_margin,
)
from forgetless.records import Item
from forgetless.tasks.build import build_task
from forgetless.tasks.extras import require
from forgetless.tasks.procedural import GENERATORS
from forgetless.tasks.ready import SETS
from forgetless.tasks.task import Scorer


@dataclass(frozen=True, slots=True)
class Sample:
    """Items with what scores them.

    Attributes:
        name: What was asked for.
        items: The items, in random order.
        scorer: Scores a model's answers to them; `None` where that takes rows of a domain.
        chance: Expected score of an answerer that knows nothing.
        margin: The most that a recipe would let the score drop, as a share.
    """

    name: str
    items: tuple[Item, ...]
    scorer: Scorer | None
    chance: float
    margin: float


def sample_named(name: str, *, n: int, seed: int, recipe: Recipe | ComparisonRecipe | None = None) -> Sample:
    """At most `n` items of what a name stands for.

    Args:
        name: With a recipe an entry of `keep`, or `domain`. Without one a ready set, a generator (`nano/sorting`),
            `lm_eval/NAME`, or `reasoning_gym/NAME`.
        n: How many; of a list that is split, no more than its dev part has.
        seed: Draws fresh items.
        recipe: Where the task is described.

    Raises:
        TaskError: There is nothing of that name, or it cannot be asked by itself.
        UserError: Its files or settings are at fault.
    """
    ready = next((known for known in SETS if known == name), None)
    if recipe is None and ready is not None:
        found = SETS[ready]
        items = tuple(found.sample(name, n=n, seed=seed))
        scorer = None if name == "format_freedom" else found.scorer((), name)
        return Sample(name, items, scorer, found.chance, ready_margin(name) / 100)
    settings, margin = _without_recipe(name) if recipe is None else _in_recipe(name, recipe)
    folder = Path() if recipe is None else recipe.folder
    endpoints = recipe.endpoints if recipe is not None else {}
    task = build_task(name, settings, folder=folder, seed=seed, endpoints=endpoints)
    return Sample(name, task.items("dev", limit=n, seed=seed), task, task.chance, margin)


def names_in(package: str) -> list[str]:
    """The names that `lm_eval` or `reasoning_gym` know.

    Raises:
        TaskError: It is another package, or not installed.
    """
    if package == "lm_eval":
        require("lm_eval", extra="lm-eval", field="PACKAGE")
        from forgetless.tasks.harness.loading import all_names

        return all_names()
    if package == "reasoning_gym":
        require("reasoning_gym", extra="reasoning-gym", field="PACKAGE")
        from reasoning_gym.factory import DATASETS

        return sorted(DATASETS)
    raise TaskError(
        field="PACKAGE",
        value=package,
        rule="is no package with tasks",
        way_out="write `lm_eval` or `reasoning_gym`; ready sets are shown with `forgetless tasks show NAME`",
    )


def _without_recipe(name: str) -> tuple[TaskSettings, float]:
    family, _, inner = name.partition("/")
    settings: TaskSettings | None = None
    if family == "lm_eval" and inner:
        settings = LmEvalTask(type="lm_eval", name=inner)
    elif family == "reasoning_gym" and inner:
        settings = ReasoningGymTask(type="reasoning_gym", name=inner)
    elif name in GENERATORS:
        settings = ProceduralTask(type="procedural", generator=name)
    if settings is None:
        raise _nothing(name, dict.fromkeys((*READY_SETS, *GENERATORS)))
    return settings, ready_margin(name) / 100


def _in_recipe(name: str, recipe: Recipe | ComparisonRecipe) -> tuple[TaskSettings, float]:
    named = {known: capability.task for known, capability in recipe.keep.items()}
    if recipe.domain is not None:
        named["domain"] = recipe.domain.task
    if name not in named:
        raise _nothing(name, named)
    settings = named[name]
    needs_rows = isinstance(settings, ReadyTask) and settings.set == "format_freedom"
    if needs_rows or isinstance(settings, (HeldOutTask, TemplateLeakTask, PreferenceTask)):
        missing = "a base to compare with" if isinstance(settings, PreferenceTask) else "the rows of the domain"
        raise TaskError(
            field="NAME",
            value=name,
            rule=f"a task of `type: {settings.type}` needs {missing}, and has none here",
            way_out="run `forgetless plan` on the recipe",
        )
    kept = recipe.keep.get(name)
    points = kept.margin_points if kept is not None else None
    return settings, (ready_margin(name) if points is None else points) / 100


def _nothing(name: str, known: Mapping[str, object]) -> TaskError:
    near = difflib.get_close_matches(name, list(known), n=1)
    families = "; `lm_eval/NAME` and `reasoning_gym/NAME` name tasks of these packages"
    return TaskError(
        field="NAME",
        value=name,
        rule=f"is none of these: {', '.join(known)}",
        way_out=(f"did you mean `{near[0]}`?" if near else "choose one of these") + families,
    )
