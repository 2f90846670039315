"""A name in, tasks of lm-evaluation-harness out: one, or all those of a group.

Names are looked up in the folder of the user's own task files first, and in the harness' thousands only where they
are not found there, for reading those takes seconds.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import logging
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import datasets
import jinja2
import numpy as np
import torch
from lm_eval.api.task import ConfigurableTask
from lm_eval.defaults import DEFAULT_OTHER_SEED, DEFAULT_RANDOM_SEED
from lm_eval.tasks import TaskManager

from forgetless.engines import random_states_kept
from forgetless.errors import TaskError
from forgetless.recipe import LmEvalTask

FAULTS: Final = (
    datasets.exceptions.DatasetsError,
    jinja2.TemplateError,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    ImportError,
    RuntimeError,
)
"""What a task's own files and functions may raise, which are code from anywhere."""


def load_tasks(settings: LmEvalTask, *, folder: Path, field: str) -> dict[str, ConfigurableTask]:
    """The task of a name, or the tasks of a group or tag, by their names.

    Random states are put back: tasks draw from them when they are read, and the harness gives them seeds.

    Raises:
        TaskError: There is no such name, or the task cannot be read or measured here.
    """
    own = None if settings.include_path is None else folder / Path(settings.include_path).expanduser()
    if own is not None and not own.is_dir():
        raise TaskError(
            field=f"{field}.include_path",
            value=settings.include_path,
            rule=f"is no folder ({own})",
            way_out="name the folder with the YAML files of your tasks, relative to the recipe",
        )
    manager = _manager(settings.name, own, field)
    with quiet_harness(), random_states_kept(), contextlib.chdir(own or Path.cwd()):
        random.seed(DEFAULT_RANDOM_SEED)
        np.random.seed(DEFAULT_OTHER_SEED)
        torch.manual_seed(DEFAULT_OTHER_SEED)
        try:
            tasks = manager.load(settings.name)["tasks"]
        except FAULTS as error:
            raise _unreadable(settings.name, error, field) from error
    for name, task in tasks.items():
        _refuse_what_cannot_be_asked(name, task, field)
        _set_examples(name, task, settings.num_fewshot, field)
    return dict(tasks)


@contextlib.contextmanager
def quiet_harness() -> Iterator[None]:
    """Within the block the harness and `datasets` say nothing below an error, and draw no bars."""
    logger, bars = logging.getLogger("lm_eval"), datasets.are_progress_bars_disabled()
    level = logger.level
    logger.setLevel(logging.ERROR)
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        logger.setLevel(level)
        if not bars:
            datasets.enable_progress_bars()


def _manager(name: str, own: Path | None, field: str) -> TaskManager:
    if own is not None:
        manager = TaskManager(include_path=str(own), include_defaults=False)
        if _whole(name, manager.task_index):
            return manager
    manager = _all_tasks(None if own is None else str(own))
    if name not in manager.task_index:
        near = difflib.get_close_matches(name, manager.all_tasks, n=1)
        raise TaskError(
            field=f"{field}.name",
            value=name,
            rule="lm-evaluation-harness has no task, group or tag of that name",
            way_out=f"did you mean `{near[0]}`?"
            if near
            else "`lm-eval ls tasks` lists them; `include_path` adds yours",
        )
    return manager


def all_names() -> list[str]:
    """The names of all tasks, groups and tags that come with the harness."""
    return list(_all_tasks(None).all_tasks)


@functools.cache
def _all_tasks(own: str | None) -> TaskManager:
    with quiet_harness():
        return TaskManager(include_path=own)


def _whole(name: str, index: Mapping[str, Any]) -> bool:
    """Whether a name and everything that it stands for is in the index."""
    if name not in index:
        return False
    entry = index[name]
    members = (entry.cfg or {}).get("task") if entry.kind.name == "GROUP" else None
    named = [m if isinstance(m, str) else m.get("task", m.get("group")) for m in members or []]
    return all(_whole(member, index) for member in named)


def _set_examples(name: str, task: ConfigurableTask, wanted: int | None, field: str) -> None:
    if wanted is None:
        return
    if wanted > 0 and task.config.num_fewshot == 0:
        raise TaskError(
            field=f"{field}.num_fewshot",
            value=wanted,
            rule=f"`{name}` shows no examples by its own definition",
            way_out="leave it out",
        )
    task.set_config(key="num_fewshot", value=wanted)


def _refuse_what_cannot_be_asked(name: str, task: Any, field: str) -> None:
    reason = ""
    if not isinstance(task, ConfigurableTask):
        reason = "is a program and no task file, and its items cannot be told one by one"
    elif getattr(task, "UNSAFE_CODE", False):
        reason = "runs what the model writes as a program, and outside any sandbox; a task of `type: python` has one"
    elif getattr(task, "MULTIMODAL", False):
        reason = "shows pictures or plays sounds, and engines read text"
    if reason:
        raise TaskError(field=f"{field}.name", value=name, rule=reason, way_out="choose another task")


def _unreadable(name: str, error: Exception, field: str) -> TaskError:
    if isinstance(error, ImportError):
        way_out = "install what the task needs; `pip install 'lm-eval[TASK]'` knows some of it"
    elif isinstance(error, ConnectionError):
        way_out = "go online once, or give the task local files in a task file of your own (`include_path`)"
    else:
        way_out = (
            "mend the task file, or check that its data can be read; data files are looked for from `include_path`"
        )
    said = [_said(error)]
    cause = error.__cause__
    while cause is not None:
        said, cause = [_said(error), _said(cause)], cause.__cause__
    return TaskError(field=f"{field}.name", value=name, rule=f"cannot be read: {': '.join(said)}", way_out=way_out)


def _said(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
