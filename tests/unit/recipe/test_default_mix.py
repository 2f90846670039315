"""`mix: default`: which shares it sets, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from forgetless.errors import RecipeError
from forgetless.recipe import Recipe, dump_recipe, parse_recipe

ALL = {
    "tickets": {"kind": "domain", "files": ["a"]},
    "calls": {"kind": "domain", "files": ["b"]},
    "chat": {"kind": "general", "files": ["c"]},
    "books": {"kind": "text", "files": ["d"]},
}


def mixed(sources: dict[str, Any], **more: Any) -> Recipe:
    return parse_recipe({"name": "mixed", "mix": "default", "model": {"path": "m"}, "sources": sources, **more})


def test_every_kind_has_its_share_and_the_domain_the_rest() -> None:
    recipe = mixed(ALL)
    assert {name: source.share for name, source in recipe.sources.items()} == pytest.approx(
        {"tickets": 0.25, "calls": 0.25, "chat": 0.15, "books": 0.05}
    )
    assert recipe.replay is not None
    assert (recipe.replay.share, recipe.replay.prompts) == (0.3, "self")


def test_a_kind_without_a_source_leaves_its_share_to_the_domain() -> None:
    recipe = mixed({"tickets": ALL["tickets"]}, replay={"rows": 7})
    assert recipe.sources["tickets"].share == pytest.approx(0.7)
    assert recipe.replay is not None
    assert (recipe.replay.share, recipe.replay.rows) == (0.3, 7)


def test_the_kept_recipe_says_the_shares() -> None:
    recipe = mixed(ALL)
    assert parse_recipe(yaml.safe_load(dump_recipe(recipe))).model_dump() == recipe.model_dump()


@pytest.mark.parametrize(
    ("sources", "more", "named"),
    [
        ({"tickets": {**ALL["tickets"], "share": 0.5}}, {}, "sources.tickets.share"),
        ({"tickets": ALL["tickets"]}, {"replay": {"share": 0.3}}, "replay.share"),
    ],
)
def test_a_share_by_hand_is_refused(sources: dict[str, Any], more: dict[str, Any], named: str) -> None:
    with pytest.raises(RecipeError, match="sets all shares") as caught:
        mixed(sources, **more)
    assert caught.value.field == named


def test_a_mix_of_another_name_is_refused() -> None:
    with pytest.raises(RecipeError) as caught:
        parse_recipe({"name": "m", "mix": "best", "model": {"path": "m"}, "sources": ALL})
    assert (caught.value.field, caught.value.value) == ("mix", "best")


@pytest.mark.parametrize("sources", [[], {}, {"tickets": 3}, {"tickets": {"files": ["a"]}}, None])
def test_sources_that_are_none_are_refused_as_ever(sources: Any) -> None:
    with pytest.raises(RecipeError, match="sources"):
        parse_recipe({"name": "m", "mix": "default", "model": {"path": "m"}, "sources": sources})
