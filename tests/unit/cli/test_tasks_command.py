"""`forgetless tasks`: what is there, some of it, and a model on it."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from forgetless import nano
from forgetless.recipe import READY_SETS, TaskSettings

Command = Callable[..., Any]


def test_the_list_names_every_set_with_its_costs(command: Command) -> None:
    code, out, _ = command("tasks", "list", "--json", "-")
    told = json.loads(out)
    assert code == 0
    assert tuple(told["sets"]) == READY_SETS
    assert told["sets"]["knowledge"]["tokens_written"] == 0
    assert all(s["tokens_read"] > 0 and s["items"] > 100 and s["margin_points"] > 0 for s in told["sets"].values())
    assert "share a template" in told["sets"]["format_freedom"]["needs"]
    assert "maths" in command("tasks", "list").out


def test_items_are_shown_with_what_is_expected(command: Command) -> None:
    code, out, _ = command("tasks", "show", "knowledge", "--items", 3)
    assert code == 0
    assert out.count("choices: ") == 3
    assert "[" in out
    assert command("tasks", "show", "knowledge", "--items", 3, "--seed", 1).out != out
    assert "expected: refuse" in command("tasks", "show", "refusal", "--items", 40).out


def test_prompts_are_shown_as_the_model_reads_them(command: Command) -> None:
    told = json.loads(command("tasks", "show", "nano/sorting", "--items", 2, "--json", "-").out)
    plain = told["items"][0]["prompt"]
    rendered = command("tasks", "show", "nano/sorting", "--items", 2, "--model", nano.MODEL_PATH).out
    assert plain in rendered
    assert rendered.index(plain) > rendered.index("1. ") + 3, "the chat template's opening stands before the question"


def test_the_types_of_tasks_are_listed(command: Command) -> None:
    _, out, _ = command("tasks", "list")
    kinds = get_args(get_args(TaskSettings)[0])
    named = {get_args(kind.model_fields["type"].annotation)[0] for kind in kinds}
    assert all(name in out for name in named)
    assert "forgetless tasks list lm_eval" in " ".join(out.split())


def test_names_of_a_package(command: Command, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    names = json.loads(command("tasks", "list", "reasoning_gym", "--json", "-").out)["reasoning_gym"]
    assert "chain_sum" in names
    assert command("tasks", "list", "reasoning_gym").out.split() == names
    assert "write `lm_eval` or `reasoning_gym`" in refused("tasks", "list", "mmlu")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install 'forgetless[lm-eval]'" in refused("tasks", "list", "lm_eval")


def test_a_task_of_a_recipe(command: Command, recipe: Callable[..., Any], refused: Callable[..., str]) -> None:
    rows = "".join(json.dumps({"q": f"What is {n} + {n}?", "a": str(2 * n)}) + "\n" for n in range(30))
    Path("sums.jsonl").write_text(rows, "utf-8")
    sums = {"type": "generation", "files": ["sums.jsonl"], "prompt": "{q}", "answer": "a", "max_new_tokens": 2}
    path = recipe(keep={"sums": {"task": sums}}, domain={"task": {"type": "held_out"}})
    told = json.loads(command("tasks", "show", "sums", "--recipe", path, "--items", 3, "--json", "-").out)
    assert len(told["items"]) == 3
    assert all(item["prompt"].startswith("What is") and item["expected"] for item in told["items"])
    assert "did you mean `sums`?" in refused("tasks", "show", "sum", "--recipe", path)
    assert "forgetless plan" in refused("tasks", "show", "domain", "--recipe", path)


def test_a_set_that_there_is_not(refused: Callable[..., str]) -> None:
    assert "did you mean `maths`?" in refused("tasks", "show", "mats")
    assert "did you mean `maths`?" in refused("tasks", "try", "mats", "--model", nano.MODEL_PATH)


def test_a_model_is_tried(command: Command) -> None:
    code, out, _ = command(
        "tasks", "try", "in_context_learning", "--model", nano.MODEL_PATH, "--items", 12, "--json", "-"
    )
    (told,) = json.loads(out).values()
    assert code == 0
    assert told["n"] == 12
    assert 0.0 <= told["score"] <= 1.0
    assert told["said"]
    assert told["subjects"]
    assert [answer["score"] in (0.0, 1.0) for answer in told["answers"]] == [True] * 12
    assert sum(answer["score"] for answer in told["answers"]) == pytest.approx(12 * told["score"])


def test_answers_are_printed_with_prompt_and_score(command: Command) -> None:
    out = command("tasks", "try", "nano/sorting", "--model", nano.MODEL_PATH, "--items", 4, "--shown", 2).out
    assert out.count("expected: ") == out.count("score: ") == 2
    assert out.count("answer: ") >= 1
    assert "for a recipe" in out
