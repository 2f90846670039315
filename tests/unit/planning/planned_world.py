"""A small recipe for nano with gaps for a plan to fill, and its data."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any, NamedTuple

from forgetless import nano
from forgetless.planning import Plan
from forgetless.recipe import Recipe, parse_recipe
from forgetless.stages import Ground

ABILITY = {"type": "procedural", "items": 120, "dev_items": 24, "max_new_tokens": 4}
DATA: dict[str, Any] = {
    "name": "small",
    "seed": 3,
    "model": {"path": str(nano.MODEL_PATH), "dtype": "float32", "device": "cpu"},
    "sources": {
        "messages": {"kind": "domain", "files": ["domain.jsonl"], "share": 0.5, "max_rejected_percent": 50},
    },
    "replay": {
        "share": 0.5,
        "prompts": [{"files": ["prompts.jsonl"]}],
        "rows": 60,
        "max_new_tokens": 6,
        "max_prompt_tokens": 60,
    },
    "training": {"epochs": 2, "batch_rows": 2, "max_length_tokens": 96},
    "domain": {"task": {"type": "held_out", "percent": 30}},
    "keep": {
        "sorting": {"margin_points": 1, "task": ABILITY | {"generator": "nano/sorting"}},
        "english": {"task": ABILITY | {"generator": "nano/english"}},
    },
    "evaluation": {"path": [0.5, 1.0]},
}


class World(NamedTuple):
    folder: Path
    recipe: Recipe
    ground: Ground
    plan: Plan


def small_recipe(**evaluation: Any) -> Recipe:
    """The recipe, with other settings of its evaluation."""
    data = copy.deepcopy(DATA)
    data["evaluation"] |= evaluation
    return parse_recipe(data)


def write_rows(path: Path, rows: Any) -> None:
    lines = ({"messages": [{"role": m.role, "content": m.content} for m in row.messages]} for row in rows)
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), "utf-8")


def write_data(folder: Path) -> None:
    """Eighty rows of the domain, one that is too long, one that is broken, and seventy prompts."""
    write_rows(folder / "domain.jsonl", nano.domain_rows(n=80, seed=0))
    with (folder / "domain.jsonl").open("a") as file:
        long = [{"role": "user", "content": "Hi? " * 90}, {"role": "assistant", "content": "Yes."}]
        file.write(json.dumps({"messages": long}) + "\n{\n")
    write_rows(folder / "prompts.jsonl", nano.dialogues(nano.ABILITIES, n=70, seed=0))
