"""Help is there at once, and what the command line promises is written down once."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
from typing import Any

import pytest

HEAVY = {"torch", "transformers", "trl", "peft", "datasets", "lm_eval", "reasoning_gym"}
OPTIONS = {
    "demo": {"--prompts", "--output", "--seed", "--json", "--help"},
    "plan": {"--json", "--help"},
    "train": {"--resume", "--json", "--help"},
    "sweep": {"--plan", "--resume", "--json", "--help"},
    "compare": {
        *("--recipe", "--task", "--group", "--metric", "--margin", "--other-prompts"),
        *("--json", "--junit", "--html", "--help"),
    },
    "report": {"--json", "--help"},
    "init": {
        *("--model", "--keep", "--margin", "--domain-metric", "--question", "--answer", "--encoding", "--language"),
        *("--output", "--yes", "--help"),
    },
    "tasks list": {"--json", "--help"},
    "tasks show": {"--recipe", "--model", "--items", "--seed", "--json", "--help"},
    "tasks try": {"--model", "--recipe", "--items", "--shown", "--seed", "--json", "--help"},
}


def run(*arguments: str) -> str:
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, *arguments], check=True, capture_output=True, text=True, env=environment
    ).stdout


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom forgetless.cli import main\nsys.argv = ['forgetless', '--help']\n"
        "try: main()\nexcept SystemExit: print(*sys.modules)"
    )
    loaded = set(run("-c", code).splitlines()[-1].split())
    assert not loaded & (HEAVY | {"numpy", "scipy", "matplotlib"})


@pytest.mark.skipif(sys.platform == "win32", reason="processor time of children is a matter of Unix")
def test_help_is_there_at_once() -> None:
    def seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run("-c", "import sys; sys.argv = ['forgetless', '--help']; from forgetless.cli import main; main()")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert statistics.median(seconds() for _ in range(3)) < 0.6


def commands() -> dict[str, Any]:
    """Every command by its name, those of a group under the group's."""
    import typer

    from forgetless.cli import app

    found: dict[str, Any] = {}
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        found |= {f"{name} {inner}": c for inner, c in getattr(command, "commands", {}).items()} or {name: command}
    return found


def test_commands_and_options_are_these() -> None:
    found = {
        name: {option for p in command.params for option in p.opts if option.startswith("--")} | {"--help"}
        for name, command in commands().items()
    }
    assert found == OPTIONS


def test_every_option_says_what_it_does() -> None:
    for command in commands().values():
        assert command.help
        assert all(p.help for p in command.params if p.name != "help")


def test_exit_codes_are_told_in_the_help() -> None:
    told = run("-c", "from forgetless.cli import app; app(['--help'])")
    for code in ("0 kept", "1 something dropped", "2 wrong input", "3 undecided", "4 training broke down"):
        assert code in " ".join(told.split())
