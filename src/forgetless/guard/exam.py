"""The exam of a run: the domain's task and the capabilities to keep, built from the recipe before training starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from forgetless.errors import RecipeError
from forgetless.guard.capability import Capability
from forgetless.guard.margins import default_margin_points, judged_part
from forgetless.recipe import CapabilitySettings, ComparisonRecipe, HeldOutTask, Recipe, TaskSettings
from forgetless.records import Row
from forgetless.sources import prompt_key
from forgetless.tasks import Task, build_task, held_out_split


@dataclass(frozen=True, slots=True)
class Exam:
    """What a model of this run is asked.

    Attributes:
        domain: The task that measures the domain.
        capabilities: What to keep.
        domain_rows: The domain rows left to train on, once the held-out ones are taken away.
    """

    domain: Task
    capabilities: tuple[Capability, ...]
    domain_rows: tuple[Row, ...]

    @property
    def tasks(self) -> dict[str, Task]:
        """Every task by the name of what it measures, the domain's as `domain`."""
        return {"domain": self.domain} | {c.name: c.task for c in self.capabilities}

    def fixed_prompts(self, seed: int) -> frozenset[str]:
        """Keys of every prompt of the fixed tasks: no row with one of them may be trained on (rule 14)."""
        parts = [t.items(part, seed=seed) for t in self.tasks.values() if not t.fresh for part in ("dev", "test")]
        return frozenset(prompt_key(item.messages) for items in parts for item in items)


def set_exam(recipe: Recipe, *, folder: Path, domain_rows: Sequence[Row]) -> Exam:
    """Build every task of a recipe.

    Raises:
        RecipeError: There is nothing to keep.
        UserError: A task's files or settings are at fault.
    """
    rows, task = tuple(domain_rows), recipe.domain.task
    return Exam(
        domain=build_task("domain", task, folder=folder, seed=recipe.seed, domain_rows=rows),
        capabilities=capabilities_of(recipe, folder=folder, domain_rows=rows),
        domain_rows=held_out_split(rows, task)[0] if isinstance(task, HeldOutTask) else rows,
    )


def capabilities_of(
    recipe: Recipe | ComparisonRecipe, *, folder: Path, domain_rows: Sequence[Row] = ()
) -> tuple[Capability, ...]:
    """The capabilities that a recipe names under `keep`, each with its margin or the smallest that can be certified.

    Raises:
        RecipeError: There are none.
        UserError: A task's files or settings are at fault, or its items allow no margin and none is given.
    """
    if not recipe.keep:
        raise RecipeError(
            field="keep",
            value="(empty)",
            rule="names the abilities to keep; without one there is nothing to test",
            way_out="add one: `leak: {task: {type: template_leak, files: [prompts.txt], prompt: '{text}'}}`",
        )

    def build(name: str, settings: TaskSettings) -> Task:
        return build_task(name, settings, folder=folder, seed=recipe.seed, domain_rows=domain_rows)

    def margin(name: str, settings: CapabilitySettings, task: Task) -> float:
        if settings.margin_points is not None:
            return settings.margin_points / 100
        part = judged_part(task, limit=recipe.evaluation.test_items)
        return default_margin_points(name, part, alpha=recipe.evaluation.alpha, capabilities=len(recipe.keep)) / 100

    tasks = {name: build(name, c.task) for name, c in recipe.keep.items()}
    return tuple(Capability(name, tasks[name], margin(name, c, tasks[name])) for name, c in recipe.keep.items())
