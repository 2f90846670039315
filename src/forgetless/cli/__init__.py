"""The command line: one file for each command, and one place where errors become messages and exit codes."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from forgetless.cli.compare import compare
from forgetless.cli.demo import demo
from forgetless.cli.exits import MISUSE
from forgetless.cli.init import init
from forgetless.cli.plan import plan
from forgetless.cli.report import report
from forgetless.cli.sweep import sweep
from forgetless.cli.tasks import list_tasks, show, try_task
from forgetless.cli.train import train
from forgetless.errors import ForgetlessError, NonFiniteLossError, UserError

_OUT_OF_MEMORY = UserError(
    field="memory",
    value="used up",
    rule="the model, its optimizer and a batch do not fit into the memory of this device together",
    way_out="lower `training.batch_rows` (and raise `accumulate_batches`), `training.max_length_tokens` or "
    "`evaluation.batch_tokens`; set `gradient_checkpointing: true`; or train with `method: lora`",
)

app = typer.Typer(
    name="forgetless",
    help="Fine-tune a language model on a domain without losing what it could already do.",
    epilog="Exit codes: 0 kept, 1 something dropped, 2 wrong input, 3 undecided, 4 training broke down.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def interruptible(command: Callable[..., None]) -> Callable[..., None]:
    """A command that says how to go on when it is interrupted."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except KeyboardInterrupt:
            sys.stderr.write("\nstopped; a run goes on from its last checkpoint by `--resume`\n")
            raise typer.Exit(130) from None

    return wrapped


commands: tuple[Callable[..., None], ...] = (demo, init, plan, train, sweep, compare, report)
for command in commands:
    app.command()(interruptible(command))

tasks_app = typer.Typer(
    help="What can be asked: list it, look at some items, try them on a model.", no_args_is_help=True
)
task_commands: dict[str, Callable[..., None]] = {"list": list_tasks, "show": show, "try": try_task}
for name, command in task_commands.items():
    tasks_app.command(name)(interruptible(command))
app.add_typer(tasks_app, name="tasks")


def main() -> None:
    """Run the command line; a mistake of the user ends in a message and exit code 2, never in a traceback."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # The bars of the libraries underneath would run through ours.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")
    try:
        if os.environ.get("RANK", "0") == "0":
            app(prog_name="forgetless")
        else:  # of several processes one speaks
            with Path(os.devnull).open("w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
                app(prog_name="forgetless")
    except (UserError, NonFiniteLossError) as error:
        _complain(error)
        sys.exit(error.exit_code)
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        _complain(_OUT_OF_MEMORY)
        sys.exit(MISUSE)


def _is_out_of_memory(error: Exception) -> bool:
    """Torch's own error for an accelerator, and the plain one of its allocator on the CPU."""
    out_of_memory = type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error)
    return isinstance(error, MemoryError) or out_of_memory


def _complain(error: ForgetlessError) -> None:
    sys.stderr.write(f"error: {error}\n")
