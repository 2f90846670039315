"""An adapter over a base in 4 bits: on a CUDA device where there is one, else by bitsandbytes' kernels for the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from forgetless.models import (
    LoadedModel,
    load,
    load_finished,
    load_folder,
    load_model,
    path_between,
    save_and_reload,
    save_model,
)
from forgetless.models.kernels import quantization_arguments
from forgetless.recipe import LoraSettings, ModelSettings, TrainingSettings
from forgetless.training import checkpoint_model, fit, least_memory_bytes, try_steps
from forgetless.training.student import make_student
from training_kit import SETTINGS, blended, fit_arguments, tiny_model, tiny_tokenizer

pytest.importorskip("bitsandbytes")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@pytest.fixture(autouse=True)
def _any_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run refuses the CPU, where 4 bits are slow; these few steps do not mind."""
    if DEVICE == "cpu":

        def on_the_cpu(quantization: str | None, device: torch.device, dtype: Any) -> dict[str, Any]:
            arguments = quantization_arguments(quantization, torch.device("cuda", 0), dtype)
            return arguments | {"device_map": {"": "cpu"}} if arguments else {}

        monkeypatch.setattr(load, "quantization_arguments", on_the_cpu)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    model = tiny_model(hidden_size=64, intermediate_size=128).to(torch.bfloat16)
    save_model(model, tiny_tokenizer(), tmp_path / "stored")
    return tmp_path / "stored"


def quantised(stored: Path) -> LoadedModel:
    settings = {"path": str(stored), "device": DEVICE, "quantization": "nf4"}
    return load_model(ModelSettings.model_validate(settings), folder=Path())


@torch.no_grad()
def logits(model: torch.nn.Module) -> torch.Tensor:
    return model.eval()(input_ids=torch.tensor([[5, 9, 20, 33, 7]], device=DEVICE)).logits


def test_the_base_is_the_quantised_one(stored: Path) -> None:
    base = quantised(stored)
    assert type(base.model.model.layers[0].mlp.up_proj).__name__ == "Linear4bit"
    assert type(base.model.lm_head).__name__ == "Linear"
    assert base.hash == quantised(stored).hash
    assert base.hash != load_folder(stored, dtype="bfloat16", device=DEVICE).hash


@pytest.mark.parametrize("lora", [{"rslora": True}, {"dora": True}, {"modules_to_save": ["norm"]}], ids=str)
def test_an_adapter_over_it_is_trained_shipped_and_read_back(
    stored: Path, tmp_path: Path, lora: dict[str, Any]
) -> None:
    base = quantised(stored)
    before = logits(base.model)
    settings: TrainingSettings = SETTINGS.model_copy(
        update={"method": "lora", "output": "adapter", "lora": LoraSettings(rank=4, **lora), "steps": 4}
    )
    assert torch.equal(logits(make_student(base.model, settings, seed=1)), before)
    live: dict[str, Any] = {}

    def look(model: torch.nn.Module, step: int, tokens: int) -> None:
        live.update(logits=logits(model), trained={w.dtype for w in model.parameters() if w.requires_grad})

    fit(base, blended(settings=settings), **fit_arguments(settings, tmp_path / "run", on_evaluate=look))
    assert live["trained"] == {torch.float32}
    shipped = save_and_reload(base, checkpoint_model(base, tmp_path / "run", 4, settings), tmp_path / "adapter")
    torch.testing.assert_close(logits(shipped.model), live["logits"], rtol=0.02, atol=0.02)
    assert not torch.equal(logits(shipped.model), before)
    assert torch.equal(logits(base.model), before)
    if not lora.get("dora"):
        path = path_between(base.model, shipped.model, tmp_path)
        assert torch.equal(logits(path.at(0.0)), before)
        assert torch.equal(logits(path.at(1.0)), logits(shipped.model))
    asked = ModelSettings.model_validate({"path": str(tmp_path / "adapter"), "device": DEVICE})
    assert load_finished(asked, folder=Path()).hash == shipped.hash


def test_steps_over_a_quantised_base_are_tried_and_need_room_for_the_adapter_alone(stored: Path) -> None:
    base = quantised(stored)
    settings = SETTINGS.model_copy(update={"method": "lora", "lora": LoraSettings(rank=1), "output": "adapter"})
    before = logits(base.model)
    assert try_steps(base, blended(settings=settings), settings=settings, seed=5).step_seconds > 0
    assert torch.equal(logits(base.model), before)
    student = make_student(base.model, settings, seed=0)
    adapter = 4 * sum(weight.numel() for weight in student.parameters() if weight.requires_grad)
    assert 4 * adapter <= least_memory_bytes(base.model, settings) <= 6 * adapter
