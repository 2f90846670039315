"""A recipe with a part of its rows, for a look at what the whole would take hours for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

_ROWS = ("max_rows", "rows")


def read_part(recipe: Path, part: float, *, items_too: bool = True) -> dict[str, Any]:
    """What a recipe's file says, with a part of its rows and looks as the plan has them.

    With a part of the items as well go margins that so few can still hold, and groups are counted item by item: there
    would be too few groups to judge by.
    """
    data: dict[str, Any] = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    if part == 1.0:
        return data
    prompts = data["replay"]["prompts"]
    files = [entry for entry in prompts if isinstance(entry, dict)] if isinstance(prompts, list) else []
    for settings in (*data["sources"].values(), data["replay"], *files):
        _shrink(settings, _ROWS, part)
    for key in ("every_steps", "dev_items"):
        data["evaluation"].pop(key, None)
    if items_too:
        for kept in data["keep"].values():
            kept["margin_points"] = 20
            kept["task"].pop("group", None)
        for kept in (data["domain"], *data["keep"].values()):
            _shrink(kept["task"], ("max_items", "max_rows"), part)
    return data | {"name": f"{data['name']}-{part:g}"}


def _shrink(settings: dict[str, Any], keys: tuple[str, ...], part: float) -> None:
    for key in settings.keys() & set(keys):
        settings[key] = round(part * settings[key])
