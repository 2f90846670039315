"""Numbers as YAML writes them: what means a number is one, what does not is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from forgetless.errors import RecipeError
from forgetless.recipe import parse_recipe

Change = Callable[[str, Any], dict[str, Any]]
Refuse = Callable[[str, Any], RecipeError]


@pytest.mark.parametrize("written", ["2e-5", "2.0e-5", "0.00002", "'2e-5'"])
def test_a_number_without_a_point_before_its_exponent_is_a_number(with_setting: Change, written: str) -> None:
    # YAML 1.1 reads 2e-5 as text, and everybody writes a learning rate like that.
    value = yaml.safe_load(f"rate: {written}")["rate"]
    assert parse_recipe(with_setting("training.learning_rate", value)).training.learning_rate == 2e-5


def test_a_whole_number_in_quotes_is_that_number(with_setting: Change) -> None:
    recipe = parse_recipe(with_setting("keep.sorting.task.max_new_tokens", "15"))
    assert recipe.keep["sorting"].task.max_new_tokens == 15


@pytest.mark.parametrize("value", ["fifteen", "15 tokens", "", "1.5", 1.5, None, [15]])
def test_what_is_no_whole_number_is_refused(refusal: Refuse, value: object) -> None:
    assert refusal("keep.sorting.task.max_new_tokens", value).field == "keep.sorting.task.max_new_tokens"


@pytest.mark.parametrize("place", ["training.steps", "training.learning_rate", "seed"])
def test_yes_is_no_number(refusal: Refuse, place: str) -> None:
    assert refusal(place, yaml.safe_load("yes")).field == place


@pytest.mark.parametrize("place", ["training.learning_rate", "training.kl_weight", "replay"])
@pytest.mark.parametrize("value", [".inf", ".nan"])
def test_a_number_is_finite(refusal: Refuse, place: str, value: str) -> None:
    number = yaml.safe_load(value)
    if place == "replay":
        assert refusal(place, {"share": 0.5, "temperature": number}).field == "replay.temperature"
    else:
        assert refusal(place, number).field == place


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("seed", -1),
        ("training.steps", 0),
        ("training.batch_rows", 0),
        ("training.lora.dropout", 1.0),
        ("training.kl_weight", -0.1),
        ("keep.sorting.margin_points", 0),
        ("keep.sorting.margin_points", 100),
        ("keep.sorting.task.items", 1),
        ("evaluation.alpha", 0.5),
        ("evaluation.dev_items", 1),
        ("evaluation.budget_percent", 0),
        ("evaluation.budget_percent", 101),
        ("sources.rows.max_rejected_percent", 101),
        ("sources.rows.max_rows", 0),
        ("mixture.repetition_cap", 0),
    ],
)
def test_a_number_out_of_range_is_refused_by_its_place(refusal: Refuse, place: str, value: float) -> None:
    error = refusal(place, value)
    assert (error.field, error.value) == (place, value)
