"""Programs to write, as items: HumanEval's shape and lists of statements, and what a recipe has to say first."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forgetless.errors import DataError, RecipeError, TaskError
from forgetless.recipe import PythonTask, parse_recipe
from forgetless.tasks import build_task
from forgetless.tasks.sandbox import running
from without_sandbox import without_sandbox

Write = Callable[..., str]


@pytest.fixture
def sandbox() -> None:
    problem = running._problem()
    if problem is not None:
        without_sandbox(problem)


def record(n: int) -> dict[str, Any]:
    return {
        "prompt": f'def add_{n}(x):\n    """x plus {n}"""\n',
        "entry_point": f"add_{n}",
        "test": f"def check(candidate):\n    assert candidate(1) == {n + 1}\n",
        "asserts": [f"assert add_{n}(0) == {n}", f"assert add_{n}(1) == {n + 1}"],
    }


def settings(files: str, **others: Any) -> PythonTask:
    shape = {"prompt": "{prompt}", "start": "{prompt}", "tests": "test", "entry_point": "entry_point"}
    return PythonTask(**{"type": "python", "files": [files], "allow_code_execution": True, **shape, **others})


@pytest.mark.usefixtures("sandbox")
def test_answers_pass_their_tests_or_do_not(tmp_path: Path, write_jsonl: Write, scripted: Any) -> None:
    files = write_jsonl([record(n) for n in range(40)])
    task = build_task("code", settings(files), folder=tmp_path, seed=0)
    items = task.items("test")[:4]
    names = [json.loads(item.target)["name"] for item in items]
    right, fenced, wrong, silent = (int(name.removeprefix("add_")) for name in names)
    answers = {
        f"add_{right}": f"    return x + {right}\n",
        f"add_{fenced}": f"<think>easy</think>Look:\n```python\ndef add_{fenced}(y):\n    return y + {fenced}\n```",
        f"add_{wrong}": "    return 0\n",
        f"add_{silent}": "",
    }
    engine = scripted(answer=lambda prompt: answers[prompt.partition("(")[0].removeprefix("def ")])
    told: list[tuple[int, int]] = []
    results = task.score(engine, items, lambda done, n: told.append((done, n)))
    assert [result.score for result in results] == [1.0, 1.0, 0.0, 0.0]
    assert results[0].output == answers[f"add_{right}"]
    assert [result.note for result in results] == [
        "tests: passed", "tests: passed", "tests: AssertionError: ", "tests: no code"
    ]  # fmt: skip
    assert told == [(4, 8), (4, 6), (5, 6), (6, 6)]
    missing = task.score(scripted(answer=lambda _: None), items[:1])
    assert missing[0].score is None


@pytest.mark.usefixtures("sandbox")
def test_tests_may_be_a_list_of_statements(tmp_path: Path, write_jsonl: Write, scripted: Any) -> None:
    files = write_jsonl([record(n) for n in range(40)])
    task = build_task("code", settings(files, start="", entry_point=None, tests="asserts"), folder=tmp_path, seed=0)
    item = task.items("dev")[0]
    assert json.loads(item.target)["tests"].count("\n") == 1
    n = int(item.messages[-1].content.partition("(")[0].removeprefix("def add_"))
    answer = f"```python\nadd_{n} = lambda x: x + {n}\n```"
    assert task.score(scripted(answer=lambda _: answer), [item])[0].score == 1.0


def test_nothing_runs_unless_the_recipe_says_so() -> None:
    keep = {"code": {"task": {"type": "python", "files": ["x"], "prompt": "{p}", "tests": "t"}}}
    recipe = {"name": "x", "model": {"path": "m"}, "keep": keep,
              "sources": {"s": {"kind": "domain", "share": 1.0, "files": ["d"]}}}  # fmt: skip
    with pytest.raises(RecipeError, match="allow_code_execution: true"):
        parse_recipe(recipe)
    keep["code"]["task"]["allow_code_execution"] = True  # type: ignore[assignment]
    assert parse_recipe(recipe).keep["code"].task.type == "python"


def test_a_machine_without_a_sandbox_is_told_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "_problem", lambda: "`unshare`: refused")
    with pytest.raises(TaskError, match="refused") as refused:
        build_task("code", settings("missing.jsonl"), folder=tmp_path, seed=0)
    assert refused.value.field == "keep.code.task.allow_code_execution"


@pytest.mark.usefixtures("sandbox")
def test_an_entry_point_needs_a_check(tmp_path: Path, write_jsonl: Write) -> None:
    files = write_jsonl([record(n) for n in range(40)])
    with pytest.raises(DataError, match="check"):
        build_task("code", settings(files, tests="asserts"), folder=tmp_path, seed=0)


@pytest.mark.usefixtures("sandbox")
def test_limits_and_length_are_part_of_what_a_score_depends_on(tmp_path: Path, write_jsonl: Write) -> None:
    files = write_jsonl([record(n) for n in range(40)])
    ways: list[dict[str, Any]] = [{}, {"timeout_seconds": 5}, {"memory_mib": 512}, {"max_new_tokens": 64}]
    tasks = [build_task("code", settings(files, **way), folder=tmp_path, seed=0) for way in ways]
    assert len({task.fingerprint for task in tasks}) == len(ways)
    assert tasks[0].binary
