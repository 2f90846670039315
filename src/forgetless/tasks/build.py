"""The task settings of a recipe in, a task out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import assert_never

from forgetless.recipe import (
    AnswerProbabilityTask,
    ChoiceTask,
    EndpointSettings,
    GenerationTask,
    HeldOutTask,
    LmEvalTask,
    PreferenceTask,
    ProceduralTask,
    PythonTask,
    ReadyTask,
    ReasoningGymTask,
    TaskSettings,
    TemplateLeakTask,
)
from forgetless.records import Row
from forgetless.tasks.answer_probability import answer_probability_task
from forgetless.tasks.choice import choice_task
from forgetless.tasks.extras import require
from forgetless.tasks.generation import generation_task
from forgetless.tasks.held_out import held_out_task
from forgetless.tasks.preference import preference_task
from forgetless.tasks.procedural import procedural_task
from forgetless.tasks.python import python_task
from forgetless.tasks.ready import ready_task
from forgetless.tasks.task import Task
from forgetless.tasks.template_leak import template_leak_task


def build_task(
    name: str,
    settings: TaskSettings,
    *,
    folder: Path,
    seed: int,
    domain_rows: Sequence[Row] = (),
    margin: float | None = None,
    endpoints: Mapping[str, EndpointSettings] = MappingProxyType({}),
) -> Task:
    """Build the task that a recipe describes.

    Args:
        name: The capability's name, or `domain`.
        settings: The `task:` part of the recipe.
        folder: The folder of the recipe, which relative paths start from.
        seed: Fixes the order of a fixed task's items, not which of them fall on the test part.
        domain_rows: All rows of the domain, before any are held out. Read by `held_out`, `template_leak` and the
            ready set `format_freedom` only.
        margin: The most that the score may drop, as a share; sizes a ready set whose `items` the recipe leaves open.
        endpoints: The recipe's servers; read by `preference` only, which asks one of them at once whether it is there.

    Raises:
        DataError: A file or column cannot be read.
        TaskError: The task cannot be measured or judged as asked.
        EndpointError: A judge is not there.
    """
    field = "domain.task" if name == "domain" else f"keep.{name}.task"
    match settings:
        case ChoiceTask():
            return choice_task(name, settings, folder=folder, field=field, seed=seed)
        case GenerationTask():
            return generation_task(name, settings, folder=folder, field=field, seed=seed)
        case PythonTask():
            return python_task(name, settings, folder=folder, field=field, seed=seed)
        case PreferenceTask():
            return preference_task(name, settings, folder=folder, field=field, seed=seed, endpoints=endpoints)
        case AnswerProbabilityTask():
            return answer_probability_task(name, settings, folder=folder, field=field, seed=seed)
        case TemplateLeakTask():
            return template_leak_task(name, settings, folder=folder, field=field, seed=seed, domain_rows=domain_rows)
        case HeldOutTask():
            return held_out_task(name, settings, rows=domain_rows, field=field, seed=seed)
        case ProceduralTask():
            return procedural_task(name, settings, field=field)
        case ReadyTask():
            return ready_task(name, settings, field=field, seed=seed, domain_rows=domain_rows, margin=margin)
        case LmEvalTask():
            require("lm_eval", extra="lm-eval", field=f"{field}.type")
            from forgetless.tasks.harness import lm_eval_task

            return lm_eval_task(name, settings, folder=folder, field=field, seed=seed)
        case ReasoningGymTask():
            require("reasoning_gym", extra="reasoning-gym", field=f"{field}.type")
            from forgetless.tasks.verified import reasoning_gym_task

            return reasoning_gym_task(name, settings, field=field)
        case _:
            assert_never(settings)
