"""What a person sees while a run goes on: progress bars on a terminal, plain lines elsewhere.

Results go to standard output, everything else to standard error. `NO_COLOR` is respected by rich.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from forgetless.cli.narration import event_line
from forgetless.rundir import atomic_write

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def results_console(json: Path | None) -> Console:
    """Where results for people go: out of the way when standard output is to carry JSON alone."""
    return err if str(json) == "-" else out


def print_table(table: Table, json: Path | None) -> None:
    """A table of results, as wide as its place, which a pipe is not asked for."""
    from forgetless.reporting import open_console

    open_console(sys.stderr if str(json) == "-" else None).print(table)


class Narrator:
    """Turns events into lines and long work into a bar (on a terminal only)."""

    def __init__(self, bars: Progress | None, *, prefix: str = "") -> None:
        self._bars = bars
        self._prefix = prefix

    def event(self, record: dict[str, Any], *, of: str = "") -> None:
        """Say one event of a run, if it is worth a line; `of` names the run among several."""
        line = event_line(record)
        if line:
            err.print(f"{self._prefix}{of}{': ' * bool(of)}{line}", markup=False)

    def progress(self, description: str) -> Callable[[int, int], None] | None:
        """A `(done, total)` callback that drives one bar; `None` where there is no terminal."""
        bars = self._bars
        if bars is None:
            return None
        bar: TaskID | None = None

        def advance(done: int, total: int) -> None:
            nonlocal bar
            if bar is None:
                bar = bars.add_task(f"{self._prefix}{description}", total=total)
            bars.update(bar, completed=done, total=total, visible=done < total)

        return advance


@contextmanager
def narrator(*, prefix: str = "") -> Iterator[Narrator]:
    """A narrator whose bars are cleared when the work is over."""
    if not err.is_terminal:
        yield Narrator(None, prefix=prefix)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bars:
        yield Narrator(bars, prefix=prefix)


def write_json(data: object, path: Path | None) -> None:
    """Write a result as JSON to a file, or to standard output for `-`."""
    if path is None:
        return
    text = json.dumps(data, ensure_ascii=False, indent=2) + "\n"
    if str(path) == "-":
        sys.stdout.write(text)
    else:
        atomic_write(path, text)
