"""Recipes on disk: read, refused, written out and read again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from forgetless.errors import RecipeError
from forgetless.recipe import ComparisonRecipe, Recipe, dump_recipe, load_comparison, load_recipe, parse_recipe

Change = Callable[[str, Any], dict[str, Any]]
Write = Callable[[Any], Path]

SHIPPED = sorted((Path(__file__).parents[3] / "recipes").glob("*.yaml"))


def refused(path: Path) -> RecipeError:
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    return caught.value


def test_a_recipe_is_read_from_its_file(recipe_file: Write, with_setting: Change) -> None:
    path = recipe_file(with_setting("seed", 4))
    assert load_recipe(path) == load_recipe(str(path))
    assert load_recipe(path).model_dump() == parse_recipe(with_setting("seed", 4)).model_dump()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    error = refused(tmp_path / "missing.yaml")
    assert "missing.yaml" in str(error.value)
    assert "no such file" in error.rule


def test_a_folder_is_no_recipe(tmp_path: Path) -> None:
    assert "directory" in refused(tmp_path).rule.lower()


def test_a_path_through_a_file_is_no_recipe(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert "directory" in refused(tmp_path / "file" / "recipe.yaml").rule.lower()


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_bytes("name: café".encode("latin-1"))
    assert "UTF-8" in refused(path).rule


@pytest.mark.parametrize("text", ["name: [", "name: a\n\tseed: 1", "{", "name: !!python/object:os.system x"])
def test_a_file_that_is_not_yaml_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    error = refused(path)
    assert "not valid YAML" in error.rule
    assert "line" in error.rule


def test_a_date_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("name: 2024-13-45\n")
    assert "YAML" in refused(path).rule


def test_a_key_that_is_written_twice_is_refused(tmp_path: Path, with_setting: Change) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(with_setting("seed", 4)) + "seed: 5\n")
    assert "seed" in str(refused(path))


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "- a\n- b\n"])
def test_a_file_without_settings_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    assert "mapping" in refused(path).rule


def test_what_is_written_out_reads_back_the_same(with_setting: Change) -> None:
    data = with_setting("replay", {"share": 0.5, "prompts": [{"files": ["p.txt"], "shape": "text"}]})
    data["sources"]["rows"] |= {"share": 0.5, "template": {"prompt": "问：{q}", "completion": '{"a": "{b}"}'}}
    data["training"] = {"method": "lora", "lora": {"target_modules": ["q_proj"]}, "learning_rate": 1e-05}
    data["domain"] = {"task": {"type": "held_out", "score": "json"}}
    recipe = parse_recipe(data)
    text = dump_recipe(recipe)
    assert "问" in text
    assert parse_recipe(yaml.safe_load(text)) == recipe
    assert dump_recipe(parse_recipe(yaml.safe_load(text))) == text


def test_every_default_is_written_out(with_setting: Change) -> None:
    written = yaml.safe_load(dump_recipe(parse_recipe(with_setting("seed", 0))))
    assert set(written) == set(Recipe.model_fields)
    assert set(written["training"]) == set(Recipe.model_fields["training"].annotation.model_fields)  # type: ignore[union-attr]


def test_recipes_are_shipped() -> None:
    assert SHIPPED


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_recipe_is_valid(path: Path) -> None:
    recipe = load_recipe(path)
    assert recipe.name == path.stem
    assert recipe.keep


def test_defaults_by_name(with_setting: Change) -> None:
    recipe = parse_recipe(with_setting("seed", 0))
    training, evaluation = recipe.training, recipe.evaluation
    assert (recipe.output, recipe.ship, recipe.replay) == ("runs", "best", None)
    assert (recipe.domain.task.type, recipe.keep["sorting"].margin_points) == ("held_out", None)
    assert (training.method, training.learning_rate, training.epochs, training.steps) == ("full", 2e-5, 1.0, None)
    assert (training.kl_weight, training.kl_tokens) == (1.0, "answer")
    assert (evaluation.alpha, evaluation.budget_percent) == (0.05, 15.0)
    assert (evaluation.every_steps, evaluation.dev_items) == (None, None)
    assert evaluation.path == [0.25, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0]
    assert (evaluation.stop_on_alarm, evaluation.patience_evaluations) == (True, None)
    assert (recipe.mixture.repetition_cap, recipe.sources["rows"].max_rejected_percent) == (8, 1.0)


def test_a_comparison_needs_only_what_to_ask(recipe_file: Write, with_setting: Change) -> None:
    whole = with_setting("seed", 3)
    asked = {name: whole[name] for name in ("seed", "keep")}
    comparison = load_comparison(recipe_file(asked))
    assert isinstance(comparison, ComparisonRecipe)
    assert comparison.domain is None
    assert isinstance(load_comparison(recipe_file(whole)), Recipe)
    with pytest.raises(RecipeError, match="`trainin`"):
        load_comparison(recipe_file(asked | {"trainin": {}}))


def test_reading_a_recipe_imports_no_heavy_library() -> None:
    code = "import sys, forgetless.recipe; print(*{'torch', 'transformers', 'numpy', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize(("prompt", "field"), [("{{text}}", "recipe"), ("{text}", "sources.rows.template.prompt")])
def test_a_template_that_lacks_its_quotes_is_told_so(tmp_path: Path, prompt: str, field: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "name: mine\nmodel: {path: model}\nsources:\n  rows:\n    kind: domain\n    files: [rows.csv]\n    share: 1\n"
        f"    template:\n      prompt: {prompt}\n      completion: '{{label}}'\n"
    )
    with pytest.raises(RecipeError, match="in quotes") as caught:
        load_recipe(path)
    assert caught.value.field == field


def test_a_recipe_knows_where_it_was_read(recipe_file: Write, with_setting: Change) -> None:
    path = recipe_file(with_setting("seed", 4))
    assert load_recipe(path).folder == path.resolve().parent
    assert load_recipe(path).model_copy(update={"seed": 5}).folder == path.resolve().parent
    assert parse_recipe(with_setting("seed", 4)).folder == Path()


def test_replay_rows_that_training_could_not_hold_are_refused(with_setting: Callable[..., Any]) -> None:
    data = with_setting("replay", {"share": 0.5, "max_new_tokens": 500})
    data["sources"]["rows"]["share"] = 0.5
    with pytest.raises(RecipeError, match="replay rows may have 756 tokens"):
        parse_recipe(data)
