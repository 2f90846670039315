"""What a recipe may not say, and how it is told so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from forgetless.errors import RecipeError
from forgetless.recipe import LoraSettings, dump_recipe, parse_recipe

Change = Callable[[str, Any], dict[str, Any]]
Refuse = Callable[[str, Any], RecipeError]

GENERATION = {"type": "generation", "files": ["items.jsonl"], "prompt": "{question}", "answer": "answer"}
TEMPLATE = {"prompt": "{text}", "completion": "{label}"}


@pytest.mark.parametrize(
    ("place", "nearest"),
    [
        ("nmae", "name"),
        ("trainin", "training"),
        ("model.pth", "path"),
        ("sources.rows.shar", "share"),
        ("sources.rows.template", "system"),
        ("mixture.repetition_cup", "repetition_cap"),
        ("training.learning_rat", "learning_rate"),
        ("training.lora.rnk", "rank"),
        ("domain.task", "percent"),
        ("keep.sorting.margin_point", "margin_points"),
        ("keep.sorting.task.generater", "generator"),
        ("evaluation.every_step", "every_steps"),
        ("endpoints.fast.api_key", "api_key_env"),
    ],
)
def test_unknown_key_is_answered_with_the_nearest_one(refusal: Refuse, place: str, nearest: str) -> None:
    spoilt = {
        "sources.rows.template": TEMPLATE | {"sytem": "Be brief."},
        "domain.task": {"type": "held_out", "percnt": 5},
    }
    error = refusal(place, spoilt.get(place, 1))
    assert "not a key" in error.rule
    assert f"`{nearest}`" in error.way_out
    assert error.field.startswith(place)


@pytest.mark.parametrize("place", ["learning_rate", "training.share", "replay.steps", "keep.sorting.generator"])
def test_the_nearest_name_is_one_that_may_stand_there(refusal: Refuse, place: str) -> None:
    value = {"share": 0.5, "steps": 3} if place == "replay.steps" else 1
    error = refusal(place.removesuffix(".steps"), value) if place == "replay.steps" else refusal(place, value)
    assert error.field == place
    assert f"did you mean `{place.rpartition('.')[2]}`?" != error.way_out


@pytest.mark.parametrize("key", ["system", "thinking"])
def test_raw_text_goes_with_nothing_of_a_chat_template(refusal: Refuse, key: str) -> None:
    value = {"system": "Be brief.", "thinking": True}[key]
    error = refusal("keep.sorting.task", GENERATION | {"raw_text": True, key: value})
    assert f"`{key}` is a" in error.rule


def test_unknown_key_in_a_prompt_file_is_named(refusal: Refuse) -> None:
    error = refusal("replay", {"share": 0.5, "prompts": [{"files": ["prompts.txt"], "shap": "text"}]})
    assert "shap" in error.field
    assert "`shape`" in error.way_out


def test_a_misspelt_key_is_named_before_what_is_missing_for_it(refusal: Refuse) -> None:
    assert refusal("domain", {"tsk": {"type": "held_out"}}).field == "domain.tsk"


def test_a_required_key_is_named_with_its_place(refusal: Refuse) -> None:
    error = refusal("model", {})
    assert (error.field, error.rule) == ("model.path", "is required")
    assert "mine.yaml" in error.way_out


@pytest.mark.parametrize("share", [1.5, 0.0, -0.2, "half", float("nan")])
def test_a_share_lies_in_0_to_1(refusal: Refuse, share: object) -> None:
    assert refusal("sources.rows.share", share).field == "sources.rows.share"


@pytest.mark.parametrize(("place", "value"), [("sources.rows.share", 0.6), ("replay", {"share": 0.5})])
def test_shares_add_up_to_1(refusal: Refuse, place: str, value: Any) -> None:
    assert "add up to" in refusal(place, value).rule


def test_shares_that_add_up_to_1_only_in_decimals_are_accepted(with_setting: Change) -> None:
    data = with_setting("replay", {"share": 0.7})
    data["sources"] = {name: data["sources"]["rows"] | {"share": 0.1} for name in ("a", "b", "c")}
    assert parse_recipe(data).sources["b"].share == 0.1


@pytest.mark.parametrize("name", ["replay", "replay/maths"])
def test_replay_is_not_the_name_of_a_source(with_setting: Change, name: str) -> None:
    data = with_setting("sources.rows.share", 0.5)
    data["sources"][name] = data["sources"]["rows"] | {"kind": "general"}
    with pytest.raises(RecipeError, match=rf"`sources\.{name}` is taken"):
        parse_recipe(data)


def test_domain_is_not_the_name_of_a_capability(refusal: Refuse) -> None:
    capability = {"task": {"type": "procedural", "generator": "nano/sorting"}}
    assert "`keep.domain` is taken" in refusal("keep.domain", capability).rule


def test_a_capability_may_be_called_like_a_type_of_task(refusal: Refuse) -> None:
    capability = {"task": {"type": "procedural", "generator": "nano/sorting"}, "margin_points": -1}
    assert refusal("keep.generation", capability).field == "keep.generation.margin_points"


def test_one_source_is_the_domain(refusal: Refuse) -> None:
    assert "kind: domain" in refusal("sources.rows.kind", "general").rule


def test_lora_settings_that_nothing_would_read_are_refused(refusal: Refuse) -> None:
    error = refusal("training.lora", {"rank": 8})
    assert error.field == "training"
    assert "method: lora" in error.rule


def test_lora_without_settings_is_written_out_with_its_defaults(with_setting: Change) -> None:
    recipe = parse_recipe(with_setting("training.method", "lora"))
    assert recipe.training.lora == LoraSettings()
    assert yaml.safe_load(dump_recipe(recipe))["training"]["lora"]["rank"] == 16


def test_held_out_rows_measure_only_the_domain(refusal: Refuse, with_setting: Change) -> None:
    held_out = {"type": "held_out"}
    assert "`domain.task` only" in refusal("keep.sorting.task", held_out).rule
    assert parse_recipe(with_setting("domain.task", held_out)).domain.task.type == "held_out"


@pytest.mark.parametrize("path", [[], [0.5], [0.5, 0.25, 1.0], [0.5, 0.5, 1.0], [0.0, 1.0], [0.5, 1.1], [1.0, 0.5]])
def test_the_path_rises_and_ends_at_1(refusal: Refuse, path: list[float]) -> None:
    assert refusal("evaluation.path", path).field.startswith("evaluation")


@pytest.mark.parametrize("path", [[1], [0.5, 1.0], [0.1, 0.2, 0.999, 1.0]])
def test_a_rising_path_is_accepted(with_setting: Change, path: list[float]) -> None:
    assert parse_recipe(with_setting("evaluation.path", path)).evaluation.path == path


@pytest.mark.parametrize("spoilt", [{"match": "regex"}, {"pattern": "[0-9]+"}, {"match": "number", "pattern": "x"}])
def test_a_pattern_goes_with_regex(refusal: Refuse, with_setting: Change, spoilt: dict[str, str]) -> None:
    assert "`pattern:`" in refusal("keep.sorting.task", GENERATION | spoilt).rule
    parse_recipe(with_setting("keep.sorting.task", GENERATION | {"match": "regex", "pattern": "[0-9]+"}))


def test_a_template_goes_with_its_shape(refusal: Refuse, with_setting: Change) -> None:
    assert "`template:`" in refusal("sources.rows.shape", "template").rule
    data = with_setting("sources.rows.template", TEMPLATE)
    data["sources"]["rows"]["shape"] = "alpaca"
    with pytest.raises(RecipeError, match="only read with `shape: template`"):
        parse_recipe(data)


def test_only_what_is_trained_needs_a_completion(refusal: Refuse, with_setting: Change) -> None:
    error = refusal("sources.rows.template", {"prompt": "{text}"})
    assert "needs a `completion`" in error.rule
    data = with_setting("sources.rows.share", 0.5)
    prompts = [{"files": ["prompts.csv"], "template": {"prompt": "{text}"}}]
    parse_recipe(data | {"replay": {"share": 0.5, "prompts": prompts}})


def test_a_longest_answer_where_none_is_written_is_refused(refusal: Refuse, with_setting: Change) -> None:
    task = {"type": "held_out", "max_new_tokens": 64}
    assert "`score: answer_probability`" in refusal("domain.task", task).rule
    written = yaml.safe_load(dump_recipe(parse_recipe(with_setting("domain.task", {"type": "held_out"}))))
    parse_recipe(written)
    assert parse_recipe(with_setting("domain.task", task | {"score": "json"})).domain.task.max_new_tokens == 64


def test_records_come_from_one_place(refusal: Refuse, with_setting: Change) -> None:
    both = {"kind": "domain", "share": 1.0, "files": ["a.csv"], "hub": "owner/name"}
    for place in (both, {"kind": "domain", "share": 1.0}):
        assert "one of the two" in refusal("sources.rows", place).rule
    from_hub = {"kind": "domain", "share": 1.0, "hub": "owner/name"}
    assert parse_recipe(with_setting("sources.rows", from_hub)).sources["rows"].split == "train"
    written = yaml.safe_load(dump_recipe(parse_recipe(with_setting("sources.rows", from_hub))))
    assert parse_recipe(written).sources["rows"].hub == "owner/name"


@pytest.mark.parametrize("unread", [{"columns": ["a"]}, {"encoding": "utf-8"}, {"format": "csv"}])
def test_what_describes_files_is_not_for_the_hub(refusal: Refuse, unread: dict[str, Any]) -> None:
    error = refusal("sources.rows", {"kind": "domain", "share": 1.0, "hub": "owner/name"} | unread)
    assert "is not read with `hub:`" in error.rule


@pytest.mark.parametrize("unread", ["subset", "split", "revision"])
def test_what_describes_a_hub_dataset_is_not_for_files(refusal: Refuse, unread: str) -> None:
    assert "is not read with `files:`" in refusal(f"sources.rows.{unread}", "x").rule
    assert "is not read with `files:`" in refusal("keep.sorting.task", GENERATION | {unread: "x"}).rule


@pytest.mark.parametrize("split", ["train[:10%]", "train+test", "", "train[5]"])
def test_a_split_is_a_name_that_may_be_cut_to_rows(refusal: Refuse, split: str) -> None:
    source = {"kind": "domain", "share": 1.0, "hub": "owner/name", "split": split}
    refused = refusal("sources.rows", source)
    assert refused.field == "sources.rows.split"
    assert "a split is a name" in refused.rule


def test_one_value_where_a_list_is_wanted_is_shown_as_a_list(refusal: Refuse) -> None:
    assert refusal("sources.rows.files", "rows.jsonl").way_out == "write it in brackets, as in `files: [rows.jsonl]`"


def test_an_unknown_type_of_task_is_answered_with_the_known_ones(refusal: Refuse) -> None:
    error = refusal("keep.sorting.task", {"type": "choise"})
    assert "choise" in str(error)
    assert "choice" in str(error)


@pytest.mark.parametrize("name", ["../elsewhere", "a/b", "", ".hidden", "a b", "name\n"])
def test_a_name_is_the_name_of_a_folder(refusal: Refuse, name: str) -> None:
    assert refusal("name", name).field == "name"


@pytest.mark.parametrize("data", [None, [], "recipe", 3])
def test_a_recipe_is_a_mapping(data: Any) -> None:
    with pytest.raises(RecipeError, match="mapping"):
        parse_recipe(data)


def test_a_recipe_is_read_only_once_parsed(with_setting: Change) -> None:
    recipe = parse_recipe(with_setting("seed", 1))
    with pytest.raises(ValueError, match="frozen"):
        recipe.seed = 2  # type: ignore[misc]


@pytest.mark.parametrize("name", ["messages", "tools", "add_generation_prompt"])
def test_what_the_data_says_is_no_setting_of_the_template(refusal: Refuse, name: str) -> None:
    error = refusal("model.chat_template_kwargs", {"enable_thinking": False, name: True})
    assert f"`{name}` comes from the data" in error.rule


@pytest.mark.parametrize("word", ["on", "off"])
def test_thinking_may_be_written_as_yaml_does(with_setting: Change, word: str) -> None:
    task = GENERATION | {"thinking": yaml.safe_load(word)}
    assert parse_recipe(with_setting("keep.sums.task", task)).keep["sums"].task.thinking is (word == "on")


ENDPOINT = {"url": "http://localhost:8000/v1", "model": "base"}


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8000/v1",
        "ftp://localhost/v1",
        "http:///v1",
        "http://localhost:port/v1",
        "https://me:secret@localhost/v1",
        "https://localhost/v1?key=secret",
        "https://localhost/v1#secret",
    ],
)
def test_the_url_of_an_endpoint_is_an_address_and_nothing_else(refusal: Refuse, url: str) -> None:
    error = refusal("endpoints.fast", ENDPOINT | {"url": url})
    assert error.field == "endpoints.fast.url"
    assert "me:secret" not in str(error)


@pytest.mark.parametrize("place", ["api_key_env", "api_key", "key", "headers"])
def test_a_key_in_a_recipe_is_refused_and_not_repeated(refusal: Refuse, place: str) -> None:
    error = refusal("endpoints.fast", ENDPOINT | {place: "sk-secret-1"})
    assert error.field == f"endpoints.fast.{place}"
    assert "secret" not in str(error)


def test_replay_names_one_of_the_endpoints(with_setting: Change, refusal: Refuse) -> None:
    shares = {"sources": {"rows": {"kind": "domain", "files": ["rows.jsonl"], "share": 0.5}}}
    data = with_setting("replay", {"share": 0.5, "endpoint": "fast"}) | shares
    with pytest.raises(RecipeError, match=r"`replay.endpoint: fast` is none of the recipe's `endpoints`: slow"):
        parse_recipe(data | {"endpoints": {"slow": ENDPOINT}})
    recipe = parse_recipe(data | {"endpoints": {"fast": ENDPOINT | {"url": "http://localhost:8000/v1/"}}})
    assert recipe.endpoints["fast"].url == "http://localhost:8000/v1"


@pytest.mark.parametrize(
    ("replay", "coverage"),
    [
        ({}, "filled"),
        ({"prompts": [{"files": ["p.jsonl"]}, "self"]}, "filled"),
        ({"coverage": "as_written"}, "as_written"),
        ({"prompts": [{"files": ["p.jsonl"]}]}, None),
        ({"raw_text": True}, None),
    ],
)
def test_prompts_cover_what_is_kept_where_the_base_writes_them(
    with_setting: Change, replay: dict[str, Any], coverage: str | None
) -> None:
    data = with_setting("replay", {"share": 0.5} | replay)
    data["sources"]["rows"]["share"] = 0.5
    recipe = parse_recipe(data)
    assert recipe.replay is not None
    assert recipe.replay.coverage == coverage
    assert parse_recipe(yaml.safe_load(dump_recipe(recipe))) == recipe


def test_with_constraints_given_prompts_are_filled_too(with_setting: Change) -> None:
    given = {"share": 0.5, "prompts": [{"files": ["p.jsonl"]}]}

    def coverage(replay: dict[str, Any]) -> str | None:
        data = with_setting("replay", replay) | {"constraints": True}
        data["sources"]["rows"]["share"] = 0.5
        recipe = parse_recipe(data)
        assert recipe.replay is not None
        assert parse_recipe(yaml.safe_load(dump_recipe(recipe))) == recipe
        return recipe.replay.coverage

    assert coverage(given) == "filled"
    assert coverage(given | {"raw_text": True}) is None
    assert coverage({"share": 0.5, "coverage": "as_written"}) == "as_written"


def test_coverage_of_prompts_that_the_base_does_not_write_is_refused(refusal: Refuse) -> None:
    given = {"share": 0.5, "coverage": "balanced", "prompts": [{"files": ["p.jsonl"]}]}
    assert "lists no `self`" in refusal("replay", given).rule
    assert "lists no `self`" in refusal("replay", given | {"coverage": "as_written"}).rule
    assert "continues texts" in refusal("replay", {"share": 0.5, "coverage": "filled", "raw_text": True}).rule


def test_a_list_has_fixed_items_and_a_margin(refusal: Refuse, with_setting: Change) -> None:
    assert "draws others every time" in refusal("keep.sorting.target", "list").rule
    task = {"type": "choice", "files": ["q.jsonl"], "prompt": "{q}", "choices": "options", "answer": "right"}
    assert "needs `margin_points`" in refusal("keep.sorting", {"task": task, "target": "list"}).rule
    kept = parse_recipe(with_setting("keep.sorting", {"task": task, "target": "list", "margin_points": 1})).keep
    assert (kept["sorting"].target, parse_recipe(with_setting("seed", 1)).keep["sorting"].target) == (
        "list",
        "population",
    )


def test_constraints_are_one_line_and_need_replay(with_setting: Change, refusal: Refuse) -> None:
    data = with_setting("replay", {"share": 0.5})
    data["sources"]["rows"]["share"] = 0.5
    for written, on in (("on", True), ("off", False)):
        assert parse_recipe(data | yaml.safe_load(f"constraints: {written}")).constraints is on
    assert not parse_recipe(data).constraints
    assert "give `replay:`" in str(refusal("constraints", True))
