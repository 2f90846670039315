"""The shortest recipe that validates, to be spoilt in one place."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from forgetless.errors import RecipeError
from forgetless.recipe import parse_recipe

SHORTEST: dict[str, Any] = {
    "name": "shortest",
    "model": {"path": "model"},
    "sources": {"rows": {"kind": "domain", "files": ["rows.jsonl"], "share": 1.0}},
    "keep": {"sorting": {"task": {"type": "procedural", "generator": "nano/sorting"}}},
}


@pytest.fixture
def with_setting() -> Callable[[str, Any], dict[str, Any]]:
    """The shortest recipe with one value put at a dotted place."""

    def change(place: str, value: Any) -> dict[str, Any]:
        data = copy.deepcopy(SHORTEST)
        *parents, last = place.split(".")
        inner = data
        for name in parents:
            inner = inner.setdefault(name, {})
        inner[last] = value
        return data

    return change


@pytest.fixture
def refusal(with_setting: Callable[[str, Any], dict[str, Any]]) -> Callable[[str, Any], RecipeError]:
    """The error that such a recipe is refused with."""

    def refuse(place: str, value: Any) -> RecipeError:
        with pytest.raises(RecipeError) as caught:
            parse_recipe(with_setting(place, value), origin="mine.yaml")
        return caught.value

    return refuse


@pytest.fixture
def recipe_file(tmp_path: Path) -> Callable[[Any], Path]:
    def write(data: Any) -> Path:
        path = tmp_path / "recipe.yaml"
        path.write_text(yaml.safe_dump(data), encoding="utf-8")
        return path

    return write
