"""Attention and 4-bit weights: what arrives at the model, and what a machine without the means is told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import tiny_llama, tiny_tokenizer

from forgetless.engines import TransformersEngine
from forgetless.errors import ModelError
from forgetless.models import attention_of, load_model, save_and_reload, save_model
from forgetless.models.kernels import attention_arguments, check_flash_precision, quantization_arguments
from forgetless.recipe import ModelSettings

CUDA = torch.device("cuda")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_model(tiny_llama(), tiny_tokenizer(), folder)
    return folder


def settings(path: Path, **others: Any) -> ModelSettings:
    return ModelSettings.model_validate({"path": str(path), "device": "cpu", **others})


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_the_attention_that_is_asked_for_is_that_of_the_saved_model_too(
    saved: Path, tmp_path: Path, attention: str
) -> None:
    loaded = load_model(settings(saved, attention=attention), folder=Path())
    assert attention_of(loaded.model) == attention
    assert attention_of(save_and_reload(loaded, loaded.model, tmp_path / "again").model) == attention


def test_scores_of_another_attention_are_other_scores(saved: Path) -> None:
    engines = [
        TransformersEngine(loaded.model, loaded.format, model_hash=loaded.hash)
        for loaded in (load_model(settings(saved, attention=name), folder=Path()) for name in ("sdpa", "eager"))
    ]
    assert engines[0].model_hash == engines[1].model_hash
    assert engines[0].settings_hash != engines[1].settings_hash


def complaint(saved: Path, **others: Any) -> str:
    with pytest.raises(ModelError) as caught:
        load_model(settings(saved, **others), folder=Path())
    return str(caught.value)


def test_a_machine_without_cuda_is_told(saved: Path) -> None:
    assert "`model.quantization`" in complaint(saved, quantization="nf4")
    assert "needs a CUDA device" in complaint(saved, quantization="nf4")
    assert "CUDA devices only" in complaint(saved, attention="flash_attention_2")


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"forgetless\[nf4\]"):
        quantization_arguments("nf4", CUDA, "auto")
    monkeypatch.setattr("forgetless.models.kernels.is_flash_attn_2_available", lambda: False)
    with pytest.raises(ModelError, match="flash-attn"):
        attention_arguments("flash_attention_2", CUDA)


@pytest.mark.parametrize(("dtype", "compute"), [("auto", torch.bfloat16), (torch.float32, torch.float32)])
def test_four_bits_are_asked_for_with_what_they_are_computed_in(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype | str, compute: torch.dtype
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    arguments = quantization_arguments("nf4", torch.device("cuda", 1), dtype)
    config = arguments["quantization_config"]
    assert (config.load_in_4bit, config.bnb_4bit_quant_type, config.bnb_4bit_use_double_quant) == (True, "nf4", True)
    assert config.bnb_4bit_compute_dtype == compute
    assert arguments["device_map"] == {"": 1}
    assert quantization_arguments(None, CUDA, dtype) == {}


def test_flash_attention_wants_half_precision() -> None:
    model = tiny_llama()
    model.config._attn_implementation = "flash_attention_2"
    with pytest.raises(ModelError, match="half precision"):
        check_flash_precision(model)
    check_flash_precision(model.to(torch.bfloat16))


def test_a_checkpoint_that_is_stored_quantised_is_refused(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(saved, tmp_path / "quantised"))
    from transformers import AutoModelForCausalLM

    real = AutoModelForCausalLM.from_pretrained

    def marked(*args: Any, **kwargs: Any) -> Any:
        model, found = real(*args, **kwargs)
        model.is_quantized = True
        return model, found

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", marked)
    assert "stored quantised" in complaint(folder)


def test_a_model_says_how_it_is_loaded_again(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(saved.parent)
    origin = load_model(settings(Path("tiny")), folder=Path()).origin
    assert origin is not None
    assert (origin.path, origin.dtype) == (str(saved), "float32")
    json.dumps(origin.model_dump())
