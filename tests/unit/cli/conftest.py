"""The command line as a user drives it, in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from forgetless import nano


@pytest.fixture(autouse=True)
def _own_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FORGETLESS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def refused(command: Callable[..., Any]) -> Callable[..., str]:
    """The message of a command that the user must mend: one error with a hint, exit code 2, no traceback."""

    def run(*arguments: object) -> str:
        code, out, err = command(*arguments)
        assert code == 2, err
        message = err[err.index("error: ") :]
        assert message.count("error: ") == 1
        assert "\n  hint: " in message
        assert "Traceback" not in err
        assert out == ""
        return message

    return run


def nano_recipe(**parts: Any) -> dict[str, Any]:
    """A recipe for nano that ends within seconds; nothing in it depends on how well nano does."""
    ability = {"type": "procedural", "generator": "nano/sorting", "items": 4, "dev_items": 2, "max_new_tokens": 2}
    return {
        "name": "small",
        "model": {"path": str(nano.MODEL_PATH), "dtype": "float32", "device": "cpu"},
        "sources": {"rows": {"kind": "domain", "files": ["rows.jsonl"], "share": 1.0}},
        "training": {"steps": 1, "batch_rows": 1, "max_length_tokens": 64},
        "domain": {"task": ability | {"generator": "nano/domain"}},
        "keep": {"sorting": {"margin_points": 50, "task": ability}},
        "evaluation": {"path": [1.0], "dev_items": 2},
        **parts,
    }


@pytest.fixture
def recipe(tmp_path: Path) -> Callable[..., Path]:
    def write(data: Any = None, **parts: Any) -> Path:
        path = tmp_path / "recipe.yaml"
        path.write_text(yaml.safe_dump(data if data is not None else nano_recipe(**parts)), "utf-8")
        return path

    return write


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A dozen rows of the demo's domain."""
    path = tmp_path / "rows.jsonl"
    path.write_text(
        "".join(
            json.dumps({"messages": [{"role": m.role, "content": m.content} for m in row.messages]}) + "\n"
            for row in nano.domain_rows(n=12, seed=0)
        ),
        "utf-8",
    )
    return path
