"""The recipe reference names every key, and every recipe that the documentation shows is one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel

from forgetless.recipe import ComparisonRecipe, Recipe, SweepSettings, parse_recipe, parse_sweep

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", ROOT / "README.zh-CN.md", *sorted((ROOT / "docs").rglob("*.md"))]
ROWS = {"kind": "domain", "files": ["rows.csv"], "share": 1.0}


def parts_of(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for info in annotation.model_fields.values():
            yield from parts_of(info.annotation)
    for argument in get_args(annotation):
        yield from parts_of(argument)


def shown_blocks() -> Iterator[Any]:
    for page in PAGES:
        blocks = re.findall(r"^```yaml\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
        for number, block in enumerate(blocks):
            yield pytest.param(block, id=f"{page.relative_to(ROOT)}:{number}")


def made_whole(excerpt: dict[str, Any]) -> dict[str, Any]:
    """An excerpt laid over a small recipe, its shares scaled to add up to 1."""
    if "prompt" in (excerpt.get("template") or {}):
        excerpt = {"sources": {"rows": ROWS | excerpt}}
    sources = excerpt.get("sources", {"rows": ROWS})
    free = 1.0 - excerpt.get("replay", {}).get("share", 0.0)
    scale = free / sum(source["share"] for source in sources.values())
    scaled = {name: source | {"share": source["share"] * scale} for name, source in sources.items()}
    return {"name": "shown", "model": {"path": "base"}} | excerpt | {"sources": scaled}


@pytest.mark.parametrize("part", sorted({*parts_of(Recipe), *parts_of(ComparisonRecipe), SweepSettings}, key=str))
def test_the_reference_names_every_key(part: type[BaseModel]):
    reference = (ROOT / "docs" / "reference" / "recipe.md").read_text(encoding="utf-8")
    assert [name for name in part.model_fields if f"`{name}`" not in reference] == []


def names_read() -> set[str]:
    """Every attribute that any room but the recipe's own reads from anything."""
    files = [path for path in (ROOT / "src").rglob("*.py") if path.parent.name != "recipe"]
    nodes = (node for path in files for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    return {node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)}


def test_every_key_is_read_somewhere():
    """A key that nothing reads is a promise."""
    known = {name for part in parts_of(Recipe) for name in part.model_fields}
    assert known - names_read() == set()


@pytest.mark.parametrize("block", list(shown_blocks()))
def test_yaml_in_the_documentation_validates(block: str):
    """A block that begins with a name is a whole recipe and has to stand by itself; the others are excerpts."""
    shown = yaml.safe_load(block)
    whole = shown if "name" in shown else made_whole(shown)
    (parse_sweep if "sweep" in whole else parse_recipe)(whole)


def test_the_readmes_show_a_whole_recipe():
    for page in PAGES[:2]:
        assert "```yaml\nname: tickets\n" in page.read_text(encoding="utf-8"), page.name


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").glob("*.yaml")), ids=lambda path: path.name)
def test_a_shipped_recipe_validates(path: Path):
    assert parse_recipe(yaml.safe_load(path.read_text(encoding="utf-8"))).keep
