"""The line from a base to its adapter: walked by scale, saved as adapters, and the same as the line between weights."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tiny_models import CHATML, tiny_llama, tiny_tokenizer
from transformers import AutoTokenizer

from forgetless.errors import ModelError
from forgetless.models import (
    AdapterPath,
    LinearPath,
    LoadedModel,
    adapter_hash,
    load_finished,
    load_folder,
    load_model,
    path_between,
    save_and_reload,
    save_model,
    sharing_copy,
    weights_hash,
)
from forgetless.recipe import ModelSettings

IDS = torch.tensor([[5, 9, 40, 77, 3]])
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "rslora": {"use_rslora": True},
    "norm": {"modules_to_save": ["model.norm"]},
    "embeddings": {"modules_to_save": ["model.embed_tokens"], "ensure_weight_tying": True},
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    folder = tmp_path_factory.mktemp("base")
    save_model(tiny_llama(), tiny_tokenizer(), folder / "tiny")
    return load_folder(folder / "tiny", device="cpu")


def adapted(base: LoadedModel, **others: Any) -> PeftModel:
    torch.manual_seed(3)
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", init_lora_weights=False, **others)
    model = get_peft_model(sharing_copy(base.model), config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "modules_to_save" in name:
                weight.add_(0.1 * torch.randn(weight.shape))
    return model.eval()


@torch.no_grad()
def logits(model: torch.nn.Module) -> torch.Tensor:
    return model(input_ids=IDS).logits


@pytest.mark.parametrize("kind", KINDS)
def test_the_ends_are_the_models_and_neither_is_changed(base: LoadedModel, kind: str, tmp_path: Path) -> None:
    tuned = adapted(base, **KINDS[kind])
    hashes = weights_hash(base.model), adapter_hash(base.hash, tuned)
    path = path_between(base.model, tuned, tmp_path)
    assert isinstance(path, AdapterPath)
    assert not torch.allclose(logits(path.at(0.3)), logits(base.model), atol=1e-3)
    assert torch.equal(logits(path.at(0.0)), logits(base.model))
    assert torch.equal(logits(path.at(1.0)), logits(tuned))
    path.at(0.5)
    assert (weights_hash(base.model), adapter_hash(base.hash, tuned)) == hashes


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("a", [0.25, 0.9])
def test_between_them_it_is_the_line_between_the_weights(
    base: LoadedModel, kind: str, a: float, tmp_path: Path
) -> None:
    tuned = adapted(base, **KINDS[kind])
    merged = copy.deepcopy(tuned).merge_and_unload()
    if kind == "norm":
        assert not torch.equal(merged.model.norm.weight, base.model.model.norm.weight)
    between = LinearPath(base.model, merged, tmp_path).at(a)
    torch.testing.assert_close(logits(AdapterPath(tuned).at(a)), logits(between), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_a_point_is_an_adapter_that_is_read_back_as_that_point(base: LoadedModel, kind: str, tmp_path: Path) -> None:
    path = AdapterPath(adapted(base, **KINDS[kind]))
    point = path.at(0.3)
    saved = save_and_reload(base, point, tmp_path / "point")
    assert torch.equal(logits(saved.model), logits(point))
    assert saved.hash == adapter_hash(base.hash, point) != adapter_hash(base.hash, path.at(0.4))
    config = json.loads((tmp_path / "point" / "adapter_config.json").read_text())
    assert config["lora_alpha"] == 0.3 * 8
    assert config["base_model_name_or_path"] == base.origin.path  # type: ignore[union-attr]


def test_the_weights_of_the_base_are_shared(base: LoadedModel) -> None:
    tuned = adapted(base, modules_to_save=["model.norm"])
    point = AdapterPath(tuned).at(0.5)
    places = {weight.data_ptr() for weight in base.model.parameters()}
    own = [name for name, weight in point.named_parameters() if weight.data_ptr() not in places]
    assert own
    assert all("lora_" in name or "modules_to_save" in name for name in own)
    lora = {w.data_ptr() for n, w in tuned.named_parameters() if "lora_" in n}
    assert lora == {w.data_ptr() for n, w in point.named_parameters() if "lora_" in n}


def test_dora_has_no_line(base: LoadedModel) -> None:
    tuned = adapted(base, use_dora=True)
    path = AdapterPath(tuned)
    assert torch.equal(logits(path.at(1.0)), logits(tuned))
    with pytest.raises(ModelError, match=r"path: \[1.0\]"):
        path.at(0.5)


@pytest.mark.parametrize("a", [-0.1, 1.1, float("nan")])
def test_points_outside_the_line_are_refused(base: LoadedModel, a: float) -> None:
    with pytest.raises(ValueError, match="lies in"):
        AdapterPath(adapted(base)).at(a)


def asked(path: Path, **others: Any) -> ModelSettings:
    return ModelSettings.model_validate({"path": str(path), "device": "cpu", **others})


def test_a_shipped_adapter_is_asked_over_the_base_that_it_names(base: LoadedModel, tmp_path: Path) -> None:
    saved = save_and_reload(base, adapted(base), tmp_path / "adapter")
    assert sorted(p.name for p in (tmp_path / "adapter").iterdir()) == [
        *("adapter_config.json", "adapter_model.safetensors", "base.json"),
        *("chat_template.jinja", "tokenizer.json", "tokenizer_config.json"),
    ]
    found = load_finished(asked(Path("adapter")), folder=tmp_path)
    assert found.hash == saved.hash
    assert found.name == "adapter"
    assert torch.equal(logits(found.model), logits(saved.model))
    assert found.format.template == base.format.template
    half = load_finished(asked(tmp_path / "adapter", dtype="bfloat16"), folder=Path())
    assert half.model.dtype == torch.bfloat16
    assert half.hash != saved.hash


def test_a_template_in_place_of_the_bases_own_goes_with_the_adapter(base: LoadedModel, tmp_path: Path) -> None:
    (tmp_path / "own.jinja").write_text("{{ greeting }}" + CHATML)
    way = {"template": "own.jinja", "chat_template_kwargs": {"greeting": "hello"}}
    greeting = load_model(asked(Path(base.origin.path), **way), folder=tmp_path)  # type: ignore[union-attr]
    assert greeting.hash != base.hash
    assert greeting.origin is not None
    assert greeting.origin.template == str(tmp_path / "own.jinja")
    whole = save_and_reload(greeting, greeting.model, tmp_path / "whole")
    adapter = save_and_reload(greeting, adapted(greeting), tmp_path / "adapter")
    for saved in (whole, adapter):
        assert saved.format.template == greeting.format.template
        assert saved.format.arguments == {"greeting": "hello"}
    (tmp_path / "other.jinja").write_text(CHATML)
    (tmp_path / "own.jinja").unlink()
    (tmp_path / "adapter").rename(tmp_path / "moved")
    found = load_finished(asked(tmp_path / "moved", chat_template_kwargs={"greeting": "hi"}), folder=Path())
    assert found.hash == adapter.hash
    assert found.format.template == greeting.format.template
    assert found.format.arguments == {"greeting": "hi"}
    assert load_finished(asked(tmp_path / "moved", template="other.jinja"), folder=tmp_path).format.template == CHATML


def test_trust_in_the_code_of_a_base_holds_for_what_is_read_back(
    base: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted = load_model(asked(Path(base.origin.path), trust_remote_code=True), folder=Path())  # type: ignore[union-attr]
    told: list[Any] = []
    real = AutoTokenizer.from_pretrained

    def noted(*args: Any, **kwargs: Any) -> Any:
        told.append(kwargs.get("trust_remote_code"))
        return real(*args, **kwargs)

    monkeypatch.setattr(AutoTokenizer, "from_pretrained", noted)
    save_and_reload(trusted, trusted.model, tmp_path / "whole")
    save_and_reload(trusted, adapted(trusted), tmp_path / "adapter")
    save_and_reload(base, adapted(base), tmp_path / "untrusted")
    assert told == [True, True, False]


def test_a_whole_model_is_asked_as_ever(base: LoadedModel) -> None:
    assert load_finished(asked(Path(base.origin.path)), folder=Path()).hash == base.hash  # type: ignore[union-attr]


def test_another_base_is_refused(base: LoadedModel, tmp_path: Path) -> None:
    save_and_reload(base, adapted(base), tmp_path / "adapter")
    save_model(tiny_llama(7), tiny_tokenizer(), tmp_path / "other")
    file = tmp_path / "adapter" / "base.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"path": str(tmp_path / "other")}))
    with pytest.raises(ModelError, match="not the base that the adapter"):
        load_finished(asked(tmp_path / "adapter"), folder=Path())


@pytest.mark.parametrize("told", ["{", "[]", '{"path": "x"}', '{"hash": "x"}', '{"path": "x", "hash": "x", "odd": 1}'])
def test_a_base_that_is_not_told_is_refused(base: LoadedModel, tmp_path: Path, told: str) -> None:
    save_and_reload(base, adapted(base), tmp_path / "adapter")
    (tmp_path / "adapter" / "base.json").write_text(told)
    with pytest.raises(ModelError, match=r"base\.json"):
        load_finished(asked(tmp_path / "adapter"), folder=Path())


@pytest.mark.parametrize("key", ["gguf_file", "adapter", "revision"])
def test_what_belongs_to_the_base_is_not_asked_of_the_adapter(base: LoadedModel, tmp_path: Path, key: str) -> None:
    save_and_reload(base, adapted(base), tmp_path / "adapter")
    with pytest.raises(ModelError, match="says how its base is loaded"):
        load_finished(asked(tmp_path / "adapter", **{key: "x"}), folder=Path())
