"""How much a run will write."""

from __future__ import annotations

from tiny_models import tiny_llama

from forgetless.recipe import TrainingSettings
from forgetless.training import predicted_bytes


def test_an_adapter_needs_a_fraction_of_what_full_weights_need() -> None:
    model = tiny_llama()
    full = predicted_bytes(model, TrainingSettings(), evaluations=10)
    lora = predicted_bytes(
        model, TrainingSettings.model_validate({"method": "lora", "lora": {"rank": 1}}), evaluations=10
    )
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    assert full >= 10 * weights
    assert lora < full / 2
