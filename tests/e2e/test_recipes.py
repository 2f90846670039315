"""Every recipe in `recipes/`: parsed as it stands, and tried on nano with stand-in data of the same shapes."""

from __future__ import annotations

import csv
import importlib.util
import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

import forgetless as fl
from forgetless import nano
from forgetless.planning import asking, measured
from forgetless.training import trial

ROOT = Path(__file__).parents[2]


def script(name: str) -> ModuleType:
    """A program of `scripts/`, which are in no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


fetch_data, fetch_model = script("fetch_data"), script("fetch_model")
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


def _exam(n: int, about: str) -> dict[str, str]:
    return {"": str(n), "Question": f"第{n}个{about}是", "A": "甲", "B": "乙", "C": "丙", "D": "丁", "Answer": "C"}


STAND_INS: dict[str, Callable[[int], Any]] = {
    "banking77/train.csv": lambda n: {"text": f"lost card {n}", "category": f"intent_{n % 7}"},
    "banking77/test.csv": lambda n: {"text": f"card {n} lost", "category": f"intent_{n % 7}"},
    "openfunctions/train.json": _function,
    "openfunctions/test.json": lambda n: _function(n + ROWS),
    "dolly/train.json": _alpaca,
    "cmmlu/test/elementary_chinese.csv": lambda n: _exam(n, "字"),
    "cmmlu/test/chinese_history.csv": lambda n: _exam(n, "年"),
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
def test_the_commands_above_a_recipe_are_few_and_bring_all_that_it_names(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    commands = [line[5:].strip() for line in lines if line.startswith("#     ")]
    assert len(commands) + 1 <= 5, "with the one that gets the checkout"
    assert commands[-1] == f"forgetless train recipes/{path.name}"
    scripts = [line.split()[1:] for line in commands if line.startswith("python ")]
    assert all((ROOT / script).is_file() for script, *_ in scripts)
    recipe, brought = yaml.safe_load("\n".join(lines)), fetch_data.wanted(path)
    published = {name for name in fetch_data.files_of(recipe) if "shared/data/" in name}
    assert len(brought) == len(published)
    assert (["scripts/fetch_data.py", f"recipes/{path.name}"] in scripts) is bool(published)
    local = [name for name in fetch_data.files_of(recipe) if name.startswith("../data/")]
    assert (["scripts/chinese_tickets.py"] in scripts) is bool(local)
    models = [script[1] for script in scripts if script[0] == "scripts/fetch_model.py"]
    fetched = {f"../models/{fetch_model.SOURCES[name].file}" for name in models}
    assert recipe["model"]["path"] in fetched | {"../src/forgetless/nano/model"}
    assert any("[gguf]" in line for line in commands) is bool(fetched)


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


def test_data_is_fetched_once_and_another_file_than_the_known_one_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "published.csv").write_text("text,category\n", "utf-8")
    recipe = tmp_path / "project" / "recipes" / "r.yaml"
    recipe.parent.mkdir(parents=True)
    recipe.write_text("sources: {a: {files: [../../shared/data/banking77/train.csv, own.csv]}}\n", "utf-8")
    url = (tmp_path / "published.csv").as_uri()
    monkeypatch.setattr(fetch_data, "SOURCES", {"banking77/train.csv": fetch_data.Source(url, "0" * 64)})
    monkeypatch.setattr(sys, "argv", ["fetch_data.py", str(recipe)])
    fetch_data.main()
    target = tmp_path / "shared" / "data" / "banking77" / "train.csv"
    printed = capsys.readouterr()
    assert printed.out == f"{target}\n"
    assert "is not the file that figures were measured on" in printed.err
    assert [path.name for path in target.parent.iterdir()] == ["train.csv"]
    target.write_text("mine", "utf-8")
    fetch_data.main()
    assert target.read_text("utf-8") == "mine"


def test_what_cannot_be_fetched_ends_in_words(tmp_path: Path) -> None:
    source = fetch_data.Source((tmp_path / "nowhere").as_uri())
    with pytest.raises(SystemExit, match="by hand, or try again"):
        fetch_data.fetch(source, tmp_path / "made" / "file")
    assert list((tmp_path / "made").iterdir()) == []


def test_published_forms_become_what_recipes_read(tmp_path: Path) -> None:
    choices = [{"label": label, "text": text} for label, text in zip("AB", ("bank", "café"), strict=True)]
    published = {"id": "x", "answerKey": "B", "question": {"stem": "Where?", "choices": choices}}
    (tmp_path / "csqa").write_text(json.dumps(published) + "\n", "utf-8")
    fetch_data.one_line_an_item(tmp_path / "csqa", tmp_path / "items")
    item = {"id": "x", "question": "Where?", "choices": ["bank", "café"], "answer": 1}
    assert (tmp_path / "items").read_text("utf-8") == json.dumps(item) + "\n"
    for part in ("val", "test"):
        (tmp_path / "data" / part).mkdir(parents=True)
        (tmp_path / "data" / part / f"law_{part}.csv").write_text("q,1,2,3,4,A\n", "utf-8")
    with tarfile.open(tmp_path / "data.tar", "w") as archive:
        archive.add(tmp_path / "data", "data")
    fetch_data.validation_part(tmp_path / "data.tar", tmp_path / "val")
    assert [path.name for path in (tmp_path / "val").iterdir()] == ["law_val.csv"]
