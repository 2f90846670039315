"""Every recipe in `recipes/`: parsed as it stands, and tried on nano with stand-in data of the same shapes."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import forgetless as fl
from forgetless import nano
from forgetless.planning import asking, measured
from forgetless.training import trial

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))
ROWS = 60


def _alpaca(n: int) -> dict[str, str]:
    return {"instruction": f"Say {n} twice.", "input": "", "output": f"{n} {n}"}


def _function(n: int) -> dict[str, str]:
    return {"instruction": f"Call f with {n}.", "output": f"f(x={n})"}


def _sum(n: int) -> dict[str, str]:
    return {"question": f"{n} + 1?", "answer": f"one more\n#### {n + 1}"}


def _choice(n: int) -> dict[str, Any]:
    return {"question": f"Which is {n}?", "choices": [str(n), str(n + 1)], "answer": 0}


STAND_INS: dict[str, Callable[[int], Any]] = {
    "banking77/train.csv": lambda n: {"text": f"lost card {n}", "category": f"intent_{n % 7}"},
    "banking77/test.csv": lambda n: {"text": f"card {n} lost", "category": f"intent_{n % 7}"},
    "openfunctions/train.json": _function,
    "openfunctions/test.json": lambda n: _function(n + ROWS),
    "dolly/train.json": _alpaca,
    "alpaca_zh/train.json": lambda n: {"instruction": f"说{n}", "input": "", "output": f"{n}"},
    "gsm8k/train.jsonl": lambda n: _sum(n + ROWS),
    "gsm8k/test.jsonl": _sum,
    "commonsenseqa/validation.jsonl": _choice,
    "ifeval/test.jsonl": lambda n: {"prompt": f"Write {n} words."},
    "mmlu/val/history_val.csv": lambda n: [f"In which year was {n}?", "1", "2", "3", "4", "A"],
    "mmlu/val/law_val.csv": lambda n: [f"Is {n} lawful?", "1", "2", "3", "4", "B"],
}
"""By path below `shared/data`, what the n-th record looks like."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like the project's, with stand-ins for the public data beside it."""
    place = tmp_path_factory.mktemp("recipes")
    for name, record in STAND_INS.items():
        path = place / "shared" / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, [record(n) for n in range(ROWS)])
    script = ROOT / "scripts" / "chinese_tickets.py"
    folder = place / "project" / "data" / "chinese_tickets"
    subprocess.run([sys.executable, script, "--output", folder, "--rows", "60", "--items", "60"], check=True)
    shutil.copytree(ROOT / "recipes" / "prompts", place / "project" / "recipes" / "prompts")
    return place / "project"


def write(path: Path, records: list[Any]) -> None:
    if path.suffix == ".json":
        path.write_text(json.dumps(records, ensure_ascii=False), "utf-8")
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records), "utf-8")
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            named = isinstance(records[0], dict)
            writer = csv.writer(file)
            writer.writerows([list(records[0])] if named else [])
            writer.writerows(list(r.values()) if named else r for r in records)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_reads_its_data_and_is_planned(project: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORGETLESS_CACHE", str(project / "cache"))
    monkeypatch.setattr(measured, "_ASKING_SECONDS", 0.0)
    monkeypatch.setattr(asking, "_PROBE_SECONDS", 0.0)
    monkeypatch.setattr(trial, "_ENOUGH_SECONDS", 0.0)
    data = yaml.safe_load(path.read_text("utf-8"))
    assert fl.load_recipe(path).name == data["name"] == path.stem
    # nano stands in for the model, which no test may fetch; it has a chat template of its own. Batches are small, and
    # rows may come as often as the stand-ins need.
    data["model"] = {"path": str(nano.MODEL_PATH), "dtype": "float32", "device": "cpu"}
    data["mixture"] = {"repetition_cap": 1_000_000}
    data["training"] |= {"batch_rows": 1, "accumulate_batches": 1}
    copy = project / "recipes" / path.name
    copy.write_text(yaml.safe_dump(data, allow_unicode=True), "utf-8")
    recipe = fl.load_recipe(copy)
    plan = fl.plan(recipe)
    assert plan.domain.test_items
    assert {c.capability for c in plan.capabilities} == recipe.keep.keys()
    assert all(source.rows and source.tokens and not source.rejected for source in plan.sources)
    assert {cost.work for cost in plan.bill} >= {"training", "looks", "certificate"}
