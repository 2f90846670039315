"""`forgetless tasks`: what is there, some of it, and a model on it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from forgetless import nano
from forgetless.recipe import READY_SETS

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
