"""How much a run will write."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny_models import tiny_llama

from forgetless.recipe import TrainingSettings
from forgetless.training import certifying_bytes, checkpoint_bytes, least_memory_bytes, predicted_bytes, saved_bytes
from forgetless.training.student import make_student


def settings_of(method: str, **parts: Any) -> TrainingSettings:
    return TrainingSettings.model_validate({"method": method, **parts})


def test_an_adapter_needs_a_fraction_of_what_full_weights_need() -> None:
    model = tiny_llama()
    full = predicted_bytes(model, TrainingSettings(), evaluations=10)
    lora = predicted_bytes(
        model, TrainingSettings.model_validate({"method": "lora", "lora": {"rank": 1}}), evaluations=10
    )
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    assert full >= 10 * weights
    assert lora < full / 2


@pytest.mark.parametrize(
    ("settings", "exact"),
    [
        (settings_of("full"), True),
        (settings_of("full", freeze=["embeddings", "layers 1"]), True),
        (settings_of("lora", output="adapter", lora={"rank": 4}), False),
        (settings_of("lora", output="adapter", lora={"rank": 4, "dora": True}), False),
        (settings_of("lora", output="adapter", lora={"rank": 4, "modules_to_save": ["norm"]}), False),
    ],
    ids=["full", "freeze", "lora", "dora", "whole modules"],
)
def test_what_is_foreseen_covers_what_a_student_holds(settings: TrainingSettings, exact: bool) -> None:
    base = tiny_llama()
    student = make_student(base, settings, seed=0)
    trained = 4 * sum(p.numel() for p in student.parameters() if p.requires_grad)
    saved = 4 * sum(p.numel() for p in student.parameters()) if settings.lora is None else trained
    for foreseen, held in (
        (checkpoint_bytes(base, settings), saved + 2 * trained),
        (least_memory_bytes(base, settings), max(saved + 3 * trained, certifying_bytes(base, settings))),
    ):
        assert foreseen == held if exact else held <= foreseen <= 1.5 * held


def test_shipped_adapters_share_the_base_while_they_are_certified() -> None:
    base = tiny_llama().to(torch.bfloat16)
    merged, adapter = (settings_of("lora", lora={"rank": 1}, output=output) for output in ("merged", "adapter"))
    assert certifying_bytes(base, merged) == 2 * sum(p.numel() for p in base.parameters())
    assert certifying_bytes(base, adapter) == 3 * saved_bytes(base, adapter)


def test_the_disk_is_fullest_while_training_or_when_the_model_is_shipped() -> None:
    base = tiny_llama()
    size = 4 * sum(p.numel() for p in base.parameters())
    full = settings_of("full")

    def needed(looks: int, *, walked: bool) -> int:
        return predicted_bytes(base, full, evaluations=looks, points_between=walked)

    # A checkpoint with its two moments, and what is shipped beside it.
    assert needed(1, walked=False) == 3 * size + size
    # The tuned model, one between, and the file that the walk needs.
    assert needed(1, walked=True) == 3 * size + 3 * size
    # Two whole states stand side by side before the older is stripped; the shipped model comes when it has been.
    assert needed(2, walked=False) == 2 * size + 4 * size
    assert needed(5, walked=False) - needed(4, walked=False) == size


def test_shipped_adapters_take_an_adapter_each() -> None:
    base = tiny_llama()
    adapter = settings_of("lora", output="adapter", lora={"rank": 2})
    one, two = (predicted_bytes(base, adapter, evaluations=1, points_between=walked) for walked in (False, True))
    assert two - one == saved_bytes(base, adapter)
