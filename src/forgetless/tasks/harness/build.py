"""The `lm_eval` settings of a recipe in, a task out that the guard knows nothing special about."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lm_eval
from lm_eval.api.task import ConfigurableTask

from forgetless.engines import random_states_kept
from forgetless.errors import TaskError
from forgetless.recipe import LmEvalTask
from forgetless.rundir import content_hash
from forgetless.tasks.harness.items import HarnessItem, chance_of, task_items
from forgetless.tasks.harness.loading import FAULTS, load_tasks, quiet_harness
from forgetless.tasks.harness.metrics import Metric, choose_metric
from forgetless.tasks.harness.scoring import HarnessScorer, Prompting
from forgetless.tasks.pool import make_pool
from forgetless.tasks.task import FixedTask

_REVISION = 1
"""Raised whenever items are asked or scored in another way, so that no stored score is taken for a new one."""


def lm_eval_task(name: str, settings: LmEvalTask, *, folder: Path, field: str, seed: int) -> FixedTask:
    """Read a task, or a group of tasks whose names become the subjects of the items.

    Raises:
        TaskError: There is no such task, its data cannot be read, or none of its metrics scores items one by one.
    """
    tasks = load_tasks(settings, folder=folder, field=field)
    metrics = {known: choose_metric(task, settings.metric, field=field) for known, task in tasks.items()}
    items: list[HarnessItem] = []
    with quiet_harness(), random_states_kept():
        for known, task in tasks.items():
            subject = (task.config.task_alias or known) if len(tasks) > 1 else ""
            try:
                items += task_items(task, subject=subject, where=field)
            except FAULTS as error:
                raise TaskError(
                    field=f"{field}.name",
                    value=known,
                    rule=f"an item cannot be made: {type(error).__name__}: {' '.join(str(error).split())}",
                    way_out="mend the task file or its data",
                ) from error
    pool = make_pool(items, field=field, seed=seed, max_items=settings.max_items)
    multiturn = settings.fewshot_as_multiturn
    prompting = Prompting(
        apply_chat_template=settings.apply_chat_template,
        fewshot_as_multiturn=settings.apply_chat_template if multiturn is None else multiturn,
        max_new_tokens=settings.max_new_tokens,
    )
    chances = [chance_of(item) for item in pool.all if isinstance(item, HarnessItem)]
    scorer = HarnessScorer(metrics, prompting, _fingerprint(tasks, metrics, prompting, items), field)
    return FixedTask(name, pool, scorer, chance=sum(chances) / len(chances))


def _fingerprint(
    tasks: Mapping[str, ConfigurableTask],
    metrics: Mapping[str, Metric],
    prompting: Prompting,
    items: Sequence[HarnessItem],
) -> str:
    examples = {item.id: content_hash(item.asked.examples) for item in items if item.asked and item.asked.examples}
    definitions = {name: _definition(task) for name, task in tasks.items()}
    return content_hash("lm_eval", _REVISION, lm_eval.__version__, definitions, metrics, prompting, examples)


def _definition(task: ConfigurableTask) -> Any:
    """What a task file says, functions as their source; where its data lie makes no difference."""
    said = task.config.to_dict()
    said.pop("dataset_kwargs", None)
    said["metadata"] = {k: v for k, v in (said.get("metadata") or {}).items() if k != "config_source"}
    return _plain(said)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if not callable(value):
        return value
    try:
        return inspect.getsource(value)
    except (OSError, TypeError):
        return f"{type(value).__name__} {getattr(value, '__qualname__', '')}"
