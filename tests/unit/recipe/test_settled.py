"""Gaps of a recipe are filled by what a plan chose; what the user wrote stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml

from forgetless.recipe import Recipe, dump_recipe, parse_recipe, settled, settled_like

Change = Callable[[str, Any], dict[str, Any]]


def filled(recipe: Recipe) -> Recipe:
    return settled(recipe, steps=40, every_steps=8, dev_items=60, margin_points={"sorting": 2.3})


def test_gaps_are_filled(with_setting: Change) -> None:
    recipe = filled(parse_recipe(with_setting("seed", 0)))
    assert (recipe.training.steps, recipe.evaluation.every_steps, recipe.evaluation.dev_items) == (40, 8, 60)
    assert recipe.training.epochs is None
    assert recipe.keep["sorting"].margin_points == 2.3


def test_what_is_written_is_kept(with_setting: Change) -> None:
    data = with_setting("training.steps", 5)
    data["evaluation"] = {"every_steps": 2, "dev_items": 10}
    data["keep"]["sorting"]["margin_points"] = 4
    recipe = parse_recipe(data)
    assert filled(recipe) == recipe


def test_a_filled_recipe_is_a_recipe(with_setting: Change) -> None:
    recipe = filled(parse_recipe(with_setting("seed", 0)))
    assert parse_recipe(yaml.safe_load(dump_recipe(recipe))) == recipe


def test_a_recipe_is_filled_by_an_earlier_one_as_far_as_that_goes(with_setting: Change) -> None:
    recipe = parse_recipe(with_setting("seed", 0))
    assert settled_like(recipe, recipe) == recipe
    assert settled_like(recipe, filled(recipe)) == filled(recipe)
