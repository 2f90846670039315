"""The exam of a run: the domain's task and the capabilities to keep, built from the recipe before training starts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from forgetless.engines import FittingEngine, TransformersEngine
from forgetless.errors import ModelError, RecipeError, TaskError
from forgetless.guard.capability import Capability
from forgetless.guard.ledger import level_of_look
from forgetless.guard.margins import default_margin_points, judged_part
from forgetless.recipe import CapabilitySettings, ComparisonRecipe, HeldOutTask, Recipe
from forgetless.records import Row
from forgetless.sources import Rows, as_rows, prompt_key
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
    domain_rows: Rows

    @property
    def tasks(self) -> dict[str, Task]:
        """Every task by the name of what it measures, the domain's as `domain`."""
        return {"domain": self.domain} | {c.name: c.task for c in self.capabilities}

    def fixed_prompts(self, seed: int) -> frozenset[str]:
        """Keys of every prompt of the fixed tasks: no row with one of them may be trained on (rule 14)."""
        parts = [t.items(part, seed=seed) for t in self.tasks.values() if not t.fresh for part in ("dev", "test")]
        return frozenset(prompt_key(item.messages) for items in parts for item in items)

    def fixed_questions(self, seed: int) -> list[list[str]]:
        """What each fixed task asks, in the words of its last user turns, to be looked for in raw text."""
        tasks = [self.domain, *(c.task for c in self.capabilities)]
        asked = [[*t.items("dev", seed=seed), *t.items("test", seed=seed)] for t in tasks if not t.fresh]
        turns = [[[m.content for m in item.messages if m.role == "user"] for item in items] for items in asked]
        return [[said[-1] for said in items if said] for items in turns]


def rehearse(exam: Exam, engine: TransformersEngine, *, seed: int) -> None:
    """Make sure that every question of the fixed tasks can be asked, and of fresh tasks one of each part.

    Raises:
        TaskError: One is too long for the model, or its chat template refuses it.
    """
    rehearsal = FittingEngine(engine)
    for task in (exam.domain, *(c.task for c in exam.capabilities)):
        limit = 1 if task.fresh else None
        for item in (*task.items("dev", limit=limit, seed=seed), *task.items("test", limit=limit, seed=seed)):
            try:
                task.score(rehearsal, [item])
            except ModelError as error:
                raise TaskError(
                    field="domain.task" if task is exam.domain else f"keep.{task.name}.task",
                    value=f"{item.messages[-1].content[:80]} …",
                    rule=f"the model cannot be asked this item: {error.rule}",
                    way_out=error.way_out,
                ) from None


def set_exam(recipe: Recipe, *, folder: Path, domain_rows: Iterable[Row]) -> Exam:
    """Build every task of a recipe.

    Raises:
        RecipeError: There is nothing to keep.
        UserError: A task's files or settings are at fault.
    """
    rows, task = as_rows(domain_rows), recipe.domain.task
    return Exam(
        domain=build_task(
            "domain", task, folder=folder, seed=recipe.seed, domain_rows=rows, endpoints=recipe.endpoints
        ),
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
            way_out="write `keep: [general]`, or name some of the sets that `forgetless tasks list` shows",
        )

    def build(name: str, settings: CapabilitySettings) -> Capability:
        given = None if settings.margin_points is None else settings.margin_points / 100
        task = build_task(name, settings.task, folder=folder, seed=recipe.seed, domain_rows=domain_rows, margin=given,
                          endpoints=recipe.endpoints)  # fmt: skip
        if settings.target == "list" and task.fresh:
            raise TaskError(
                field=f"keep.{name}.target",
                value="list",
                rule="is about fixed items, and this task draws others every time",
                way_out="leave `target` out, or give the task files of its own",
            )
        return Capability(name, task, smallest_margin(name, task) if given is None else given, settings.target)

    def smallest_margin(name: str, task: Task) -> float:
        part = judged_part(task, limit=recipe.evaluation.test_items)
        alpha = level_of_look(recipe.evaluation, 1)
        return default_margin_points(name, part, alpha=alpha, capabilities=len(recipe.keep)) / 100

    return tuple(build(name, settings) for name, settings in recipe.keep.items())
