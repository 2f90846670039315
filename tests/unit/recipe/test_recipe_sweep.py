"""A recipe with a `sweep:` block becomes trials, each a recipe of its own, or is refused with the place at fault."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from forgetless.errors import RecipeError
from forgetless.recipe import SweepRecipe, dump_sweep, load_comparison, load_recipe, load_sweep, parse_sweep

RECIPE: dict[str, Any] = {
    "name": "tickets",
    "model": {"path": "model"},
    "sources": {
        "tickets": {"kind": "domain", "files": ["a.jsonl"], "share": 0.4},
        "old.tickets": {"kind": "domain", "files": ["b.jsonl"], "share": 0.2},
        "chat": {"kind": "general", "files": ["c.jsonl"], "share": 0.1},
    },
    "replay": {"share": 0.3},
    "training": {"method": "lora"},
    "keep": {"sorting": {"task": {"type": "procedural", "generator": "nano/sorting"}}},
}


def swept(axes: dict[str, Any], **settings: Any) -> SweepRecipe:
    return parse_sweep(copy.deepcopy(RECIPE) | {"sweep": {"axes": axes, **settings}}, origin="mine.yaml")


def refusal(axes: Any, **settings: Any) -> RecipeError:
    with pytest.raises(RecipeError) as caught:
        swept(axes, **settings)
    return caught.value


def test_trials_are_all_combinations_the_last_axis_turning_fastest() -> None:
    sweep = swept({"training.learning_rate": ["1e-5", 3e-5], "training.lora.rank": [4, 8]})
    pairs = [(t.values["training.learning_rate"], t.values["training.lora.rank"]) for t in sweep.trials]
    assert pairs == [(1e-5, 4), (1e-5, 8), (3e-5, 4), (3e-5, 8)]
    assert [(t.recipe.training.learning_rate, t.recipe.training.lora.rank) for t in sweep.trials] == pairs  # type: ignore[union-attr]
    assert [t.name for t in sweep.trials] == ["trial-01", "trial-02", "trial-03", "trial-04"]
    assert {t.recipe.output for t in sweep.trials} == {"runs/tickets/trials"}
    assert sweep.combinations == 4


def test_a_range_is_even_in_its_logarithm_and_keeps_its_ends() -> None:
    sweep = swept({"training.kl_weight": {"from": 0.5, "to": 8, "points": 5}})
    assert [t.recipe.training.kl_weight for t in sweep.trials] == [0.5, 1, 2, 4, 8]
    ranks = swept({"training.lora.rank": {"from": 4, "to": 64, "points": 5}})
    assert [t.values["training.lora.rank"] for t in ranks.trials] == [4, 8, 16, 32, 64]


def test_of_a_larger_grid_some_are_drawn_by_the_seed() -> None:
    axes = {"training.learning_rate": [1e-5, 2e-5, 3e-5], "training.kl_weight": [1, 2, 4]}
    drawn = [trial.values for trial in swept(axes, trials=4).trials]
    assert drawn == [trial.values for trial in swept(axes, trials=4).trials]
    grid = [trial.values for trial in swept(axes).trials]
    assert [values for values in grid if values in drawn] == drawn
    assert len(drawn) == 4
    assert swept(axes, trials=50).combinations == len(swept(axes, trials=50).trials) == 9


def test_the_domain_has_what_swept_shares_leave() -> None:
    sweep = swept({"replay.share": [0.2, 0.6], "sources.chat.share": [0.1]})
    shares = [{n: s.share for n, s in t.recipe.sources.items()} for t in sweep.trials]
    assert shares[0] == pytest.approx({"tickets": 0.7 * 2 / 3, "old.tickets": 0.7 / 3, "chat": 0.1})
    assert shares[1] == pytest.approx({"tickets": 0.3 * 2 / 3, "old.tickets": 0.3 / 3, "chat": 0.1})


def test_what_stands_in_the_recipe_stays_where_no_share_is_swept() -> None:
    (trial,) = swept({"training.kl_weight": [2]}).trials
    assert trial.recipe.model_dump(exclude={"name", "output", "training"}) == swept(
        {"training.kl_weight": [2]}
    ).recipe.model_dump(exclude={"name", "output", "training"})


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("training.lerning_rate", "did you mean `training.learning_rate`?"),
        ("training.lora.rnk", "did you mean `training.lora.rank`?"),
        ("replay.shar", "did you mean `replay.share`?"),
        ("sources.chatt.share", "did you mean `sources.chat.share`?"),
        ("sources.chat.files", "sweep `sources.chat.share`"),
        ("sources.tickets.share", "the domain has what the other shares leave"),
        ("sources.old.tickets.share", "the domain has what the other shares leave"),
        ("replay.prompts.files", "sweep `replay.prompts` as a whole"),
        ("seed", "only on the same base, data, exam and seed"),
        ("evaluation.alpha", "only on the same base, data, exam and seed"),
        ("mix", "only on the same base, data, exam and seed"),
    ],
)
def test_what_cannot_be_swept_is_refused_by_name(path: str, said: str) -> None:
    error = refusal({path: [0.1, 0.2]})
    assert error.field == f"sweep.axes.{path}"
    assert said in str(error)


@pytest.mark.parametrize(
    ("block", "field"),
    [
        ({}, "sweep.axes"),
        ({"axes": {}}, "sweep.axes"),
        ({"axes": {"training.kl_weight": []}}, "sweep.axes.training.kl_weight"),
        ({"axes": {"training.kl_weight": 3}}, "sweep.axes.training.kl_weight"),
        ({"axes": {"training.kl_weight": {"from": 1, "to": 2}}}, "sweep.axes.training.kl_weight"),
        ({"axes": {"training.kl_weight": {"from": 0, "to": 2, "points": 3}}}, "sweep.axes.training.kl_weight"),
        ({"axes": {"training.kl_weight": {"from": 2, "to": 1, "points": 3}}}, "sweep.axes.training.kl_weight"),
        ({"axes": {"training.kl_weight": {"from": 1, "to": 2, "points": 1}}}, "sweep.axes.training.kl_weight"),
        ({"axes": {"training.kl_weight": {"from": 1, "to": 2, "points": 2.5}}}, "sweep.axes.training.kl_weight"),
        ({"axes": {"training.kl_weight": [1, 2]}, "halving": 1}, "sweep.halving"),
        ({"axes": {"training.kl_weight": [1, 2]}, "rungs": 0}, "sweep.rungs"),
        ({"axes": {"training.kl_weight": [1, 2]}, "trials": True}, "sweep.trials"),
        ({"axes": {"training.kl_weight": [1, 2]}, "trails": 3}, "sweep.trails"),
    ],
)
def test_a_block_that_says_nothing_is_refused_at_its_place(block: dict[str, Any], field: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_sweep(RECIPE | {"sweep": block}, origin="mine.yaml")
    assert caught.value.field == field


def test_a_misspelt_key_of_the_block_is_answered_with_the_nearest() -> None:
    assert refusal({"training.kl_weight": [1]}, halvin=3).way_out == "did you mean `halving`?"


def test_a_trial_that_is_no_recipe_is_refused_with_its_values() -> None:
    error = refusal({"training.kl_weight": [1, 2], "training.learning_rate": [1e-5, -1]})
    assert error.field == "training.learning_rate"
    assert error.value == -1
    assert error.way_out.endswith("it is the trial with training.kl_weight: 1, training.learning_rate: -1")
    assert "kl_weight: 0" in str(refusal({"training.kl_weight": [1, 0]}))
    assert refusal({"replay.share": ["much"]}).field == "replay.share"


def test_shares_that_leave_the_domain_nothing_are_refused() -> None:
    error = refusal({"replay.share": [0.3, 0.9]})
    assert error.field == "sweep.axes"
    assert "nothing for the domain" in error.rule


def test_the_same_run_twice_is_refused() -> None:
    assert "the same run twice" in refusal({"training.kl_weight": [1, 2, 1.0]}).rule


def test_the_recipe_of_a_sweep_is_refused_by_what_runs_once_and_read_by_a_comparison(
    recipe_file: Callable[[Any], Path],
) -> None:
    path = recipe_file(RECIPE | {"sweep": {"axes": {"training.kl_weight": [1, 2]}}})
    with pytest.raises(RecipeError, match="forgetless sweep"):
        load_recipe(path)
    assert list(load_comparison(path).keep) == ["sorting"]
    sweep = load_sweep(path)
    assert {sweep.recipe.folder, *(t.recipe.folder for t in sweep.trials)} == {path.resolve().parent}


def test_a_recipe_without_the_block_is_refused_by_a_sweep(recipe_file: Callable[[Any], Path]) -> None:
    with pytest.raises(RecipeError, match="does not say which settings to try"):
        load_sweep(recipe_file(RECIPE))


def test_the_resolved_recipe_of_a_sweep_is_the_same_sweep() -> None:
    sweep = swept({"training.kl_weight": {"from": 0.5, "to": 8, "points": 4}, "replay.share": [0.2, 0.3]}, trials=3)
    again = parse_sweep(yaml.safe_load(dump_sweep(sweep)))
    assert dump_sweep(again) == dump_sweep(sweep)
    assert [trial.values for trial in again.trials] == [trial.values for trial in sweep.trials]
