"""The command line: one file for each command, and one place where errors become messages and exit codes."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any

import typer

from forgetless.cli.compare import compare
from forgetless.cli.demo import demo
from forgetless.cli.plan import plan
from forgetless.cli.report import report
from forgetless.cli.train import train
from forgetless.errors import ForgetlessError, NonFiniteLossError, UserError

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


for command in (demo, plan, train, compare, report):
    app.command()(interruptible(command))


def main() -> None:
    """Run the command line; a mistake of the user ends in a message and exit code 2, never in a traceback."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # The bars of the libraries underneath would run through ours.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")
    try:
        app()
    except (UserError, NonFiniteLossError) as error:
        _complain(error)
        sys.exit(error.exit_code)


def _complain(error: ForgetlessError) -> None:
    sys.stderr.write(f"error: {error}\n")
