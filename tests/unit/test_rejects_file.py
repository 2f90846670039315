"""`rejects.jsonl`: what is known before training, and what is found while rows are drawn."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from forgetless import stages
from forgetless.rundir import open_run
from forgetless.sources import Reject
from forgetless.tokens import TokenReject

SOURCES: Any = [SimpleNamespace(name="bank", rejects=(Reject("f:1", "broken", "{"),))]


def too_long(line: int) -> TokenReject:
    return TokenReject(f"row-{line}", "bank", f"f:{line}", "is too long", 99, "hi")


def told(path: Path) -> list[str]:
    return [json.loads(line)["origin"] for line in (path / "rejects.jsonl").read_text("utf-8").splitlines()]


def test_rows_found_while_drawing_are_added_once_and_outlive_a_kill(tmp_path: Path) -> None:
    tells: list[Callable[[str, TokenReject], None]] = []
    mixed: Any = SimpleNamespace(rejects={"bank": (too_long(2),)}, tell_left_out=tells.append)
    with open_run(tmp_path) as run:
        stages.keep_rejects(SOURCES, run)
        stages.keep_rejects(SOURCES, run, mixed)
        assert told(tmp_path) == ["f:1", "f:2"]
        run.append_event("mixture", shares=[])
        for line in (5, 4, 5, 2):
            tells[0]("bank", too_long(line))
    assert told(tmp_path) == ["f:1", "f:2", "f:5", "f:4"]
    with (tmp_path / "rejects.jsonl").open("a") as file:
        file.write('{"cut short')
    with open_run(tmp_path, resume=True) as run:
        stages.keep_rejects(SOURCES, run)
        stages.keep_rejects(SOURCES, run, mixed)
        for line in (4, 7):
            tells[1]("bank", too_long(line))
    assert sorted(told(tmp_path)) == ["f:1", "f:2", "f:4", "f:5", "f:7"]
    with open_run(tmp_path) as run:
        stages.keep_rejects(SOURCES, run)
    assert told(tmp_path) == ["f:1"]
