"""Packing under flash attention, where there is a device that has it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from forgetless.models import attention_of, load_folder, save_model
from forgetless.training import fit
from forgetless.training.isolation import documents_stay_apart, layout_of
from training_kit import SETTINGS, blended, fit_arguments, tiny_model, tiny_tokenizer, with_lora

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def test_documents_stay_apart_in_one_row_and_a_run_goes_through(tmp_path: Path) -> None:
    pytest.importorskip("flash_attn")
    save_model(tiny_model(hidden_size=64, num_attention_heads=2).to(torch.bfloat16), tiny_tokenizer(), tmp_path / "m")
    base = load_folder(tmp_path / "m", dtype="bfloat16", device="cuda", attention="flash_attention_2")
    assert attention_of(base.model) == "flash_attention_2"
    assert layout_of(base.model) == "flat"
    assert not documents_stay_apart(base.model, "packed")  # why it gets one row
    settings = with_lora(SETTINGS).model_copy(update={"steps": 4, "precision": "bfloat16"})
    logs: list[dict[str, float]] = []
    fit(base, blended(settings=settings), **fit_arguments(settings, tmp_path / "run", on_log=logs.append))
    assert 0.0 <= logs[0]["kl"] < 0.05
