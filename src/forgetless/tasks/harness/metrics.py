"""One number for each item: which of a task's metrics scores it, and through which of its filters.

A metric counts if it scores every item by itself, in [0, 1], more being better: verdicts pair items, so a number over
a whole corpus (BLEU, F1 of a class) is of no use to them. Perplexities of bytes come as a likelihood and a length and
are turned into the probability of a byte, 2 to the power of minus the bits per byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from lm_eval.api.metrics import mean
from lm_eval.api.task import ConfigurableTask

from forgetless.errors import TaskError
from forgetless.samples import BYTES, own_metric, score_of

_RIGHT_OR_WRONG: Final = {
    "acc",
    "acc_norm",
    "acc_bytes",
    "acc_mutual_info",
    "exact_match",
    "prompt_level_strict_acc",
    "prompt_level_loose_acc",
}


class Metric(NamedTuple):
    """A metric of a task, and the filter that its answers go through first."""

    name: str
    filter: str

    @property
    def binary(self) -> bool:
        """Whether every score is known to be 0 or 1."""
        return self.name in _RIGHT_OR_WRONG


def choose_metric(task: ConfigurableTask, wanted: str | None, *, field: str) -> Metric:
    """The metric that is asked for, as `metric` or `metric,filter`; otherwise the task's own.

    That is `acc_norm` where the task has it, else `acc`, else the first that scores each item; and its first filter.

    Raises:
        TaskError: The task has no such metric or filter, or none that scores each item by itself.
    """
    usable = _usable(task)
    filters = [ensemble.name for ensemble in task._filters]
    name, _, through = (wanted or "").partition(",")
    if not usable or (name and name not in usable):
        raise TaskError(
            field=f"{field}.metric",
            value=name or "(not given)",
            rule=f"`{task.task_name}` has no such metric that scores each item by itself; it has "
            + (", ".join(usable) or f"none, only {', '.join(task.aggregation())}"),
            way_out="name one of these" if usable else "choose another task",
        )
    if through and through not in filters:
        raise TaskError(
            field=f"{field}.metric",
            value=wanted,
            rule=f"`{task.task_name}` has no filter `{through}`; it has {', '.join(filters)}",
            way_out="write `metric,filter`, as lm-evaluation-harness does in its results",
        )
    return Metric(name or own_metric(usable), through or filters[0])


def _usable(task: ConfigurableTask) -> Sequence[str]:
    better = task.higher_is_better()
    return [
        name
        for name, aggregation in task.aggregation().items()
        if name in BYTES or (aggregation is mean and better.get(name, True))
    ]


def as_score(metric: Metric, value: Any, *, field: str) -> float:
    """The value of a metric for one item, in [0, 1].

    Raises:
        TaskError: It is no such number.
    """
    score = score_of(metric.name, value.item() if hasattr(value, "dtype") else value)
    if score is None:
        raise TaskError(
            field=f"{field}.metric",
            value=metric.name,
            rule=f"gives {value!r} for an item, which is no score between 0 and 1",
            way_out="name another metric of the task",
        )
    return score
