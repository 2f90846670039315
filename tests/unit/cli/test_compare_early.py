"""`compare` that asks no more than its verdicts take."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from forgetless import nano

SORTING = {"type": "procedural", "generator": "nano/sorting", "items": 120, "max_new_tokens": 6}


def test_a_comparison_that_is_clear_after_a_block_stops_there(
    command: Callable[..., Any], recipe: Callable[..., Path]
) -> None:
    keep = {"sorting": {"margin_points": 50, "task": SORTING}}
    path = recipe({"keep": keep, "evaluation": {"stop_early": True, "dev_items": 20}})
    outputs = ("--json", "c.json", "--junit", "c.xml", "--html", "c.html")
    found = command("compare", nano.MODEL_PATH, nano.MODEL_PATH, "--recipe", path, *outputs)
    assert found.code == 0
    (verdict,) = json.loads(Path("c.json").read_text("utf-8"))["verdicts"]
    assert (verdict["outcome"], verdict["planned_n"]) == ("kept", 120)
    said = f"stopped early: {verdict['n']} of 120 items"
    assert f"sorting: {said}" in found.out
    assert said in Path("c.xml").read_text("utf-8")
    assert said in Path("c.html").read_text("utf-8")
    sheets = [json.loads(sheet.read_text("utf-8"))["results"] for sheet in Path("cache/scores").rglob("*.json")]
    assert max(map(len, sheets)) < 120, "no list was asked whole"
