"""Parts of a recipe that are fine by themselves and cannot work together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from forgetless.errors import RecipeError
from forgetless.recipe import parse_recipe

Refuse = Callable[[str, Any], RecipeError]
Change = Callable[[str, Any], dict[str, Any]]

LORA = {"method": "lora"}
ADAPTER = LORA | {"output": "adapter"}
NF4 = {"path": "model", "quantization": "nf4"}
FLASH = {"path": "model", "attention": "flash_attention_2"}


def whole(with_setting: Change, model: dict[str, Any], training: dict[str, Any], **evaluation: Any) -> dict[str, Any]:
    return with_setting("model", {"path": "model", **model}) | {"training": training, "evaluation": evaluation}


@pytest.mark.parametrize(
    ("model", "training", "field", "way_out"),
    [
        (NF4, {}, "model.quantization", "method: lora"),
        (NF4, LORA, "model.quantization", "output: adapter"),
        (NF4 | {"path": "model.gguf"}, ADAPTER, "model.quantization", "leave `quantization` out"),
        (NF4 | {"gguf_file": "model.gguf"}, ADAPTER, "model.quantization", "leave `quantization` out"),
        (NF4 | {"adapter": "first"}, ADAPTER, "model.quantization", "merge it first"),
        (NF4 | {"device": "cpu"}, ADAPTER, "model.quantization", "device: cuda"),
        (FLASH | {"device": "cpu"}, LORA, "model.attention", "sdpa"),
        (FLASH | {"dtype": "float32"}, LORA, "model.attention", "bfloat16"),
        (FLASH, {}, "model.attention", "method: lora"),
        ({"adapter": "first"}, ADAPTER, "training.output", "output: merged"),
        ({}, ADAPTER | {"lora": {"dora": True}}, "evaluation.path", "path: [1.0]"),
        ({}, LORA | {"lora": {"dora": True, "keep_directions": 8}}, "training.lora.keep_directions", "leave one"),
        ({}, LORA | {"lora": {"init": "null_space"}}, "training.lora.init", "give `replay:`"),
        ({}, {"kl_direction": "reverse"}, "training.kl_direction", "domain_kl_weight"),
    ],
)
def test_what_cannot_work_is_refused_with_a_way_out(
    with_setting: Change, model: dict[str, Any], training: dict[str, Any], field: str, way_out: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(whole(with_setting, model, training))
    assert caught.value.field == field
    assert way_out in caught.value.way_out


@pytest.mark.parametrize(
    ("model", "training", "path"),
    [
        (NF4, ADAPTER, [0.5, 1.0]),
        (FLASH, LORA, [0.5, 1.0]),
        ({}, ADAPTER | {"lora": {"rslora": True, "modules_to_save": ["norm"]}}, [0.5, 1.0]),
        ({}, ADAPTER | {"lora": {"dora": True}}, [1.0]),
        ({}, LORA | {"lora": {"dora": True}}, [0.5, 1.0]),
        ({}, ADAPTER | {"lora": {"keep_directions": 8, "freeze_a": True}}, [0.5, 1.0]),
        ({"adapter": "first"}, LORA, [0.5, 1.0]),
        ({}, {"kl_direction": "reverse", "domain_kl_weight": 0.1}, [1.0]),
        ({}, {"freeze": ["embeddings", "head", "layers 3", "layers 0-0"]}, [1.0]),
    ],
)
def test_what_can_is_accepted(
    with_setting: Change, model: dict[str, Any], training: dict[str, Any], path: list[float]
) -> None:
    assert parse_recipe(whole(with_setting, model, training, path=path)).training.method


REPLAYED = {
    "sources": {"rows": {"kind": "domain", "files": ["rows.jsonl"], "share": 0.7}},
    "replay": {"share": 0.3},
}


@pytest.mark.parametrize(
    ("parts", "training", "way_out"),
    [
        ({}, {}, "give `replay:`"),
        (REPLAYED, {"kl_direction": "reverse"}, "kl_reference: live"),
        (REPLAYED, {"domain_kl_weight": 0.1}, "kl_reference: live"),
        (REPLAYED, {"domain_weights": "asft"}, "kl_reference: live"),
    ],
)
def test_what_was_written_down_of_the_base_is_not_enough_for_all(
    with_setting: Change, parts: dict[str, Any], training: dict[str, Any], way_out: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(with_setting("training", training | {"kl_reference": "cached"}) | parts)
    assert caught.value.field == "training.kl_reference"
    assert way_out in caught.value.way_out


def test_how_much_is_written_down_has_a_default_and_is_read_with_a_cache_only(
    with_setting: Change, refusal: Refuse
) -> None:
    recipe = parse_recipe(with_setting("training", {"kl_reference": "cached", "kl_tokens": "all"}) | REPLAYED)
    assert recipe.training.kl_top_k == 128
    assert parse_recipe(recipe.model_dump()) == recipe
    assert parse_recipe(with_setting("training", {}) | REPLAYED).training.kl_top_k is None
    assert "`kl_reference: cached`" in refusal("training", {"kl_top_k": 64}).rule


def test_asft_brings_its_kl_and_is_nothing_else(with_setting: Change, refusal: Refuse) -> None:
    assert parse_recipe(with_setting("training", {"domain_weights": "asft"})).training.domain_kl_weight == 0.1
    given = {"domain_weights": "asft", "domain_kl_weight": 0.2}
    assert parse_recipe(with_setting("training", given)).training.domain_kl_weight == 0.2
    for other in ({"domain_kl_weight": 0}, {"kl_tokens": "all"}, {"kl_direction": "reverse"}):
        error = refusal("training", {"domain_weights": "asft"} | other)
        assert "`domain_weights: dft`" in error.rule
        assert f"`{next(iter(other))}: " in error.rule


@pytest.mark.parametrize("rule", ["none", "eaft", "stm", "flow", "dft"])
def test_weights_go_with_any_kl(with_setting: Change, rule: str) -> None:
    for kl in ({"kl_reference": "cached"}, {"kl_direction": "reverse", "domain_kl_weight": 0.1}, {}):
        assert parse_recipe(with_setting("training", {"domain_weights": rule} | kl) | REPLAYED)


def test_an_adapter_is_shipped_by_a_lora_run_only(refusal: Refuse) -> None:
    assert "`method: lora`" in refusal("training.output", "adapter").rule


def test_under_an_adapter_there_is_nothing_to_freeze(refusal: Refuse) -> None:
    assert "`method: full`" in refusal("training", LORA | {"freeze": ["embeddings"]}).rule


@pytest.mark.parametrize("part", ["embedding", "layers", "layers -1", "layers 5-2", "layer 3", "layers 1-2-3", "0-5"])
def test_parts_to_freeze_have_names(refusal: Refuse, part: str) -> None:
    error = refusal("training.freeze", [part])
    assert error.field == "training.freeze.0"
    assert "`layers 0-5`" in error.rule


@pytest.mark.parametrize("init", ["pissa", "pissa_niter_16", "olora", "corda", "loftq", "lora_ga"])
def test_a_start_that_changes_the_base_is_refused_in_words(refusal: Refuse, init: str) -> None:
    error = refusal("training", LORA | {"lora": {"init": init}})
    assert error.field == "training.lora.init"
    assert "another model" in error.rule


@pytest.mark.parametrize("init", ["eva", "orthogonal", "mica"])
def test_a_start_that_is_not_supported_says_why(refusal: Refuse, init: str) -> None:
    assert "`default`, `gaussian` or `null_space`" in refusal("training", LORA | {"lora": {"init": init}}).rule


def test_a_start_in_the_null_space_goes_with_replay_and_with_directions_that_are_kept(with_setting: Change) -> None:
    lora = {"init": "null_space", "dora": True, "freeze_a": True}
    assert parse_recipe(with_setting("training", LORA | {"lora": lora}) | REPLAYED)
    lora = {"init": "null_space", "keep_directions": 1}
    assert parse_recipe(with_setting("training", LORA | {"lora": lora}) | REPLAYED)


def test_a_start_that_nobody_knows_is_answered_with_the_known_ones(refusal: Refuse) -> None:
    error = refusal("training", LORA | {"lora": {"init": "zeros"}})
    assert "gaussian" in error.rule


def test_a_module_is_adapted_or_trained_whole(refusal: Refuse) -> None:
    lora = {"target_modules": ["q_proj", "embed_tokens"], "modules_to_save": ["embed_tokens"]}
    assert "`embed_tokens`" in refusal("training", LORA | {"lora": lora}).rule
