"""The demo's data and recipes: one domain, three ways to fine-tune nano on it.

A folder goes in; data files and recipes are written there like those of any user, and the recipes come back. `plain`
trains on the domain alone, `plain_low_lr` at a third of its learning rate, and `forgetless` adds rows that nano
answered itself and the KL term. All see the same domain rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Literal

from forgetless import nano
from forgetless.recipe import Recipe, dump_recipe, parse_recipe
from forgetless.records import Row
from forgetless.rundir import atomic_write

ARMS: Final = ("plain", "plain_low_lr", "forgetless")
UNCOVERED: Final = ("reversing", "pattern")
"""Abilities for which the given replay prompts hold none of their own kind."""

LEARNING_RATE: Final = 1e-3
"""Of the plain arm: the best for its domain score (`bench/demo_rates.py`)."""
HELD_LEARNING_RATE: Final = 1.5e-3
HELD_KL_WEIGHT: Final = 8.0
HELD_DOMAIN_SHARE: Final = 1 / 4
DOMAIN_ROWS: Final = 1200
EPOCHS: Final = 4
BATCH_ROWS: Final = 4
HELD_BATCH_ROWS: Final = 12
"""Packed rows of a step: small steps learn the domain in fewer tokens (docs/design/log.md)."""
PROMPTS: Final = 9000
DOMAIN_ITEMS: Final = {"plain": 2000, "plain_low_lr": 500, "forgetless": 2000}
ABILITY_ITEMS: Final = {"plain": 200, "plain_low_lr": 200, "forgetless": 3000}
"""What a collapse of tens of points takes, and what keeping within two points does."""

_ABILITY_WEIGHT: Final = 3
_ARITHMETIC_WEIGHT: Final = 9
"""How much likelier a replay prompt is of a covered ability, and of the one with by far the most different questions,
than of a kind besides."""


WRITTEN: Final = ("domain.jsonl", "prompts.jsonl", *(f"{arm}.yaml" for arm in ARMS), "runs", "report.html")
"""Everything that a demo leaves in its folder."""


def write_demo(folder: Path, *, prompts: Literal["given", "self"] = "given", seed: int = 0) -> dict[str, Recipe]:
    """Write the demo's data and recipes, and return the recipes by arm.

    Args:
        folder: Where to write; run folders will stand beside the data.
        prompts: Replay prompts from a file that leaves out `UNCOVERED`, or written by nano itself.
        seed: Seeds the data and the runs.
    """
    _write_rows(folder / "domain.jsonl", nano.domain_rows(n=DOMAIN_ROWS, seed=seed))
    weights = dict.fromkeys(nano.OTHER_KINDS, 1) | dict.fromkeys(nano.ABILITIES, _ABILITY_WEIGHT)
    weights |= {"arithmetic": _ARITHMETIC_WEIGHT} | dict.fromkeys(UNCOVERED, 0)
    kinds = [kind for kind, weight in weights.items() for _ in range(weight)]
    _write_rows(folder / "prompts.jsonl", nano.dialogues(kinds, n=PROMPTS, seed=seed))
    recipes = {arm: parse_recipe(_arm(arm, prompts, seed), origin=f"{arm}.yaml") for arm in ARMS}
    for arm, recipe in recipes.items():
        atomic_write(folder / f"{arm}.yaml", dump_recipe(recipe))
    return recipes


def _arm(arm: str, prompts: str, seed: int) -> dict[str, Any]:
    held = arm == "forgetless"
    rates = {"plain": LEARNING_RATE, "plain_low_lr": LEARNING_RATE / 3, "forgetless": HELD_LEARNING_RATE}
    recipe: dict[str, Any] = {
        "name": arm,
        "output": "runs",
        "seed": seed,
        "model": {"path": str(nano.MODEL_PATH), "dtype": "float32", "device": "cpu"},
        "sources": {
            "messages": {"kind": "domain", "files": ["domain.jsonl"], "share": HELD_DOMAIN_SHARE if held else 1.0}
        },
        "training": {
            "learning_rate": rates[arm],
            "epochs": EPOCHS,
            "batch_rows": HELD_BATCH_ROWS if held else BATCH_ROWS,
            "max_length_tokens": 96,
            "kl_weight": HELD_KL_WEIGHT if held else 0.0,
            "kl_tokens": "all",
        },
        "domain": {"task": _task("domain", items=DOMAIN_ITEMS[arm])},
        "keep": {name: {"margin_points": 2, "task": _task(name, items=ABILITY_ITEMS[arm])} for name in nano.ABILITIES},
        "evaluation": {
            "every_steps": 1000,
            "dev_items": 100,
            "stop_on_alarm": False,
            "batch_tokens": 16384,
            "path": [0.5, 0.8, 1.0],
        },
        "ship": "best",
    }
    if held:
        given = [{"files": ["prompts.jsonl"]}]
        recipe["replay"] = {
            "share": 1 - HELD_DOMAIN_SHARE,
            "prompts": given if prompts == "given" else "self",
            "rows": PROMPTS,
            "max_new_tokens": 40,
            "max_prompt_tokens": 56,
        }
    return recipe


def _task(name: str, *, items: int) -> dict[str, Any]:
    longest = 24 if name == "domain" else 16
    return {"type": "procedural", "generator": f"nano/{name}", "items": items, "max_new_tokens": longest}


def _write_rows(path: Path, rows: Iterable[Row]) -> None:
    lines = ({"messages": [{"role": m.role, "content": m.content} for m in row.messages]} for row in rows)
    atomic_write(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
