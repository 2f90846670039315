"""Saving and hashing: what is on the disk is what was in memory, and saving changes nothing in memory."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PromptTuningConfig, TaskType, get_peft_model
from tiny_models import tiny_llama, tiny_tokenizer
from transformers import AutoModelForCausalLM

from forgetless.errors import ModelError
from forgetless.models import (
    load_folder,
    model_hash,
    save_model,
    weights_hash,
)
from forgetless.models.gguf import clean_after_gguf
from forgetless.rundir import hash_folder

IDS = torch.tensor([[5, 9, 40, 77, 3]])
TOKENIZER = tiny_tokenizer()


def lora(seed: int = 0, **others: object):
    torch.manual_seed(seed)
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", init_lora_weights=False, **others)
    return get_peft_model(tiny_llama(), config)


@torch.no_grad()
def logits(model: torch.nn.Module) -> torch.Tensor:
    return model.eval()(input_ids=IDS).logits


@pytest.mark.parametrize("tied", [True, False])
def test_a_saved_model_is_the_same_model(tmp_path: Path, tied: bool):
    model = tiny_llama(3, tied=tied)
    folder_hash = save_model(model, TOKENIZER, tmp_path / "saved")
    loaded = load_folder(tmp_path / "saved", device="cpu")
    assert torch.equal(logits(loaded.model), logits(model))
    assert weights_hash(loaded.model) == weights_hash(model)
    assert loaded.hash == model_hash(model, TOKENIZER)
    assert folder_hash == hash_folder(tmp_path / "saved")


def test_the_hash_tells_models_apart():
    model = tiny_llama()
    before = model_hash(model, TOKENIZER)
    assert before == model_hash(copy.deepcopy(model), tiny_tokenizer())
    assert before != model_hash(model, tiny_tokenizer("{{ '<|start|>' }}"))
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight[3, 4] += 1e-6
    assert before != model_hash(model, TOKENIZER)


def test_the_hash_sees_number_format_and_architecture():
    model = tiny_llama()
    assert weights_hash(model) != weights_hash(copy.deepcopy(model).to(torch.bfloat16))
    turned = copy.deepcopy(model)
    turned.config.rms_norm_eps = 0.5
    assert weights_hash(turned) == weights_hash(model)
    assert model_hash(turned, TOKENIZER) != model_hash(model, TOKENIZER)


def test_saving_twice_replaces_the_folder(tmp_path: Path):
    save_model(tiny_llama(1), TOKENIZER, tmp_path / "saved")
    (tmp_path / "saved" / "stray.txt").write_text("old")
    save_model(tiny_llama(2), TOKENIZER, tmp_path / "saved")
    assert not (tmp_path / "saved" / "stray.txt").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["saved"]
    assert weights_hash(load_folder(tmp_path / "saved", device="cpu").model) == weights_hash(tiny_llama(2))


@pytest.mark.parametrize("others", [{}, {"modules_to_save": ["norm"]}, {"use_dora": True}])
def test_a_lora_model_is_saved_as_what_it_amounts_to(tmp_path: Path, others: dict[str, object]):
    model = lora(**others).train()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "modules_to_save" in name:
                parameter.mul_(1.5)
    before = weights_hash(model)
    frozen = {name: p.requires_grad for name, p in model.named_parameters()}
    save_model(model, TOKENIZER, tmp_path / "saved")
    assert all(module.training for module in model.modules())
    assert weights_hash(model) == before
    assert {name: p.requires_grad for name, p in model.named_parameters()} == frozen
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "saved")
    torch.testing.assert_close(logits(plain), logits(model), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(logits(plain), logits(tiny_llama()), atol=1e-2)


def test_a_patched_forward_does_not_reach_the_disk(tmp_path: Path):
    model = lora()
    expected = logits(model)
    for module in model.modules():
        if type(module).__name__ == "Linear" and hasattr(module, "lora_A"):
            module.forward = lambda *args, **kwargs: pytest.fail("the patched forward ran")
    save_model(model, TOKENIZER, tmp_path / "saved")
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "saved")
    torch.testing.assert_close(logits(plain), expected, atol=1e-4, rtol=1e-4)


def test_prompt_learning_cannot_be_merged(tmp_path: Path):
    model = get_peft_model(tiny_llama(), PromptTuningConfig(task_type=TaskType.CAUSAL_LM, num_virtual_tokens=2))
    with pytest.raises(ModelError, match="cannot be merged"):
        save_model(model, TOKENIZER, tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


def test_marks_of_quantisation_are_taken_away(tmp_path: Path):
    model = tiny_llama()
    model.config.quantization_config = {"quant_method": "gguf"}
    model.hf_quantizer, model.is_quantized, model.quantization_method = object(), True, "gguf"
    before = model_hash(model, TOKENIZER)
    clean_after_gguf(model)
    clean_after_gguf(model)
    save_model(model, TOKENIZER, tmp_path / "saved")
    assert "quantization_config" not in (tmp_path / "saved" / "config.json").read_text()
    assert load_folder(tmp_path / "saved", device="cpu").hash == before
