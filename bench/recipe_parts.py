"""A recipe with a part of its rows and items, for a look at what the whole would take hours for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

_SIZES = {"max_rows", "rows", "max_items"}


def read_part(recipe: Path, part: float) -> dict[str, Any]:
    """What a recipe's file says; with less than all of it, margins that the items can still hold, and looks by plan.

    Items in groups are then counted one by one: of a part there would be too few groups to judge by.
    """
    data: dict[str, Any] = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    if part == 1.0:
        return data
    tasks = [kept["task"] for kept in (data["domain"], *data["keep"].values())]
    prompts = data["replay"]["prompts"]
    files = [entry for entry in prompts if isinstance(entry, dict)] if isinstance(prompts, list) else []
    for settings in (*data["sources"].values(), data["replay"], *files, *tasks):
        for key in _SIZES & settings.keys():
            settings[key] = round(part * settings[key])
    for key in ("every_steps", "dev_items"):
        data["evaluation"].pop(key, None)
    for kept in data["keep"].values():
        kept["margin_points"] = 20
        kept["task"].pop("group", None)
    return data | {"name": f"{data['name']}-{part:g}"}
