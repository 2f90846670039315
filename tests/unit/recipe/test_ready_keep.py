"""The short ways to name ready sets under `keep`, and what is not one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from forgetless.errors import RecipeError
from forgetless.recipe import BUNDLES, READY_SETS, ReadyTask, Recipe, dump_recipe, parse_recipe

Change = Callable[[str, Any], dict[str, Any]]
Refuse = Callable[[str, Any], RecipeError]
OWN = {"task": {"type": "procedural", "generator": "nano/sorting"}}


@pytest.fixture
def kept(with_setting: Change) -> Callable[[str], dict[str, Any]]:
    """What a piece of YAML under `keep` is read as."""

    def read(text: str) -> dict[str, Any]:
        return parse_recipe(with_setting("keep", yaml.safe_load(text))).keep

    return read


@pytest.mark.parametrize(
    "text",
    [
        "[maths, chinese]",
        "{maths: , chinese: }",
        "{maths: {}, chinese: {margin_points: 5}}",
        "{maths: {task: {type: ready, set: maths}}, chinese: {task: {type: ready, set: chinese}, margin_points: 5}}",
    ],
)
def test_all_ways_to_write_it_are_read_as_one(kept: Callable[[str], dict[str, Any]], text: str) -> None:
    found = kept(text)
    assert {name: c.task for name, c in found.items()} == {
        name: ReadyTask(type="ready", set=name)  # type: ignore[arg-type]
        for name in ("maths", "chinese")
    }
    assert {c.margin_points for c in found.values()} == {5.0}


def test_a_bundle_stands_for_its_members_with_its_margin(kept: Callable[[str], dict[str, Any]]) -> None:
    assert tuple(kept("[general]")) == BUNDLES["general"]
    assert {c.margin_points for c in kept("general: {margin_points: 3}").values()} == {3.0}


@pytest.mark.parametrize("text", ["{general: , maths: {margin_points: 1}}", "{maths: {margin_points: 1}, general: }"])
def test_what_is_named_by_itself_stands_before_its_bundle(kept: Callable[[str], dict[str, Any]], text: str) -> None:
    found = kept(text)
    assert set(found) == set(BUNDLES["general"])
    assert (found["maths"].margin_points, found["code"].margin_points) == (1.0, 5.0)


def test_a_task_of_ones_own_may_carry_any_name(with_setting: Change) -> None:
    found = parse_recipe(with_setting("keep", {"maths": OWN, "general": OWN, "refusal": None})).keep
    assert [c.task.type for c in found.values()] == ["procedural", "procedural", "ready"]
    assert [c.margin_points for c in found.values()] == [None, None, 8.0]


def test_a_set_may_be_kept_under_another_name_with_more_items(with_setting: Change) -> None:
    task = {"type": "ready", "set": "maths", "items": 2000}
    found = parse_recipe(with_setting("keep", {"sums": {"task": task, "margin_points": 1}})).keep
    assert found["sums"].task == ReadyTask(type="ready", set="maths", items=2000)


def test_bundles_hold_ready_sets() -> None:
    assert all(set(members) <= set(READY_SETS) for members in BUNDLES.values())
    assert not set(BUNDLES) & set(READY_SETS)


def test_what_is_written_out_names_task_and_margin(with_setting: Change) -> None:
    recipe = parse_recipe(with_setting("keep", ["refusal"]))
    written = yaml.safe_load(dump_recipe(recipe))
    entry = {"task": {"type": "ready", "set": "refusal", "items": None}, "margin_points": 8.0, "target": "population"}
    assert written["keep"] == {"refusal": entry}
    assert parse_recipe(written) == recipe


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (["mats"], "did you mean `maths`?"),
        ({"genral": None}, "did you mean `general`?"),
        ({"something": {"margin_points": 1}}, "the ready sets are general, instruction_following"),
        (["maths", "maths"], "each once"),
        (["maths", 3], "names of ready sets"),
        ("general", "write `keep: [general]`"),
        ({"maths": "ready"}, "dictionary"),
    ],
)
def test_what_is_no_way_to_write_it_is_refused(refusal: Refuse, value: Any, said: str) -> None:
    error = refusal("keep", value)
    assert error.field.startswith("keep")
    assert said in str(error)


def test_a_bundle_is_no_task(refusal: Refuse) -> None:
    error = refusal("keep.all", {"task": {"type": "ready", "set": "general"}})
    assert error.field == "keep.all.task.set"
    assert "'instruction_following'" in error.rule


def test_the_margin_of_a_ready_set_must_be_one(refusal: Refuse) -> None:
    assert refusal("keep.maths", {"margin_points": 0}).field == "keep.maths.margin_points"


def test_the_default_stays_empty() -> None:
    assert Recipe.model_fields["keep"].default == {}
