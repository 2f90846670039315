"""A sweep on a terminal: what it will do, and how its trials stood."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.table import Table

from forgetless.cli.narration import event_line
from forgetless.reporting import numbers
from forgetless.sweeping import Standing, SweepResult


def plan_lines(plan: Mapping[str, Any]) -> str:
    """What a sweep's plan says, line by line."""
    return event_line({"event": "sweep", **plan})


def trial_table(result: SweepResult) -> Table:
    """Every trial, the best first: what was swept, how far it came, and how it stood there on the dev part."""
    table = Table(box=box.SIMPLE_HEAD, title="Trials, by the dev part", title_justify="left", pad_edge=False)
    table.add_column("trial", no_wrap=True)
    paths = list(result.trials[0].values)
    for path in paths:
        table.add_column(_short(path, paths), justify="right", overflow="fold")
    for name in ("rung", "step", "domain"):
        table.add_column(name, justify="right")
    table.add_column("worst ability", overflow="fold")
    table.add_column("verdict", overflow="fold")
    for trial in result.trials:
        stood = trial.standing
        table.add_row(
            trial.name,
            *(f"{trial.values[path]:g}" if _is_number(trial.values[path]) else str(trial.values[path])
              for path in paths),
            str(trial.rung),
            f"{stood.step:,}",
            numbers.percent(stood.domain),
            _worst(stood),
            _verdict(stood) + (", chosen" if trial.name == result.chosen else ""),
        )  # fmt: skip
    table.caption = "step: of the checkpoint that the trial stands by; budget: what training may lose (rule 15)"
    table.caption_justify = "left"
    return table


def _short(path: str, paths: list[str]) -> str:
    """The last name of a path where no other path ends in it."""
    last = path.rpartition(".")[2]
    return last if sum(other.rpartition(".")[2] == last for other in paths) == 1 else path


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _worst(stood: Standing) -> str:
    if stood.worst is None:
        return "none there"
    return stood.worst if stood.change is None else f"{stood.worst} {100 * stood.change:+.1f}"


def _verdict(stood: Standing) -> str:
    if stood.broke is not None:
        return "training broke down"
    return "within the budgets" if not stood.lost else f"lost more than its budget: {', '.join(stood.lost)}"
