"""A few steps are timed on the real trainer, and leave nothing behind."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
import torch

from forgetless.errors import ResourceError
from forgetless.recipe import LoraSettings, TrainingSettings
from forgetless.training import fit, fresh_stream, least_memory_bytes, saved_bytes, try_steps
from forgetless.training.trainer import RetentionTrainer
from training_kit import SETTINGS, blended, fit_arguments, loaded, tiny_model, weights, with_lora


@pytest.mark.parametrize("settings", [SETTINGS, with_lora(SETTINGS)], ids=["full", "lora"])
def test_a_trial_times_steps_and_leaves_base_and_stream_alone(settings: TrainingSettings) -> None:
    base, mixed = loaded(), blended()
    before = {name: tensor.clone() for name, tensor in base.model.state_dict().items()}
    trial = try_steps(base, mixed, settings=settings, seed=5)
    assert trial.step_seconds > 0
    assert 3 <= trial.steps <= 12
    assert trial.peak_bytes >= trial.resident_bytes > 0
    assert mixed.stream.state_dict() == blended().stream.state_dict()
    assert all(torch.equal(tensor, before[name]) for name, tensor in base.model.state_dict().items())


@pytest.mark.parametrize("settings", [SETTINGS, with_lora(SETTINGS)], ids=["full", "lora"])
def test_a_run_after_a_trial_is_a_run_without_one(settings: TrainingSettings, tmp_path: Path) -> None:
    found = []
    for tried in (False, True):
        base, mixed = loaded(), blended()
        if tried:
            try_steps(base, mixed, settings=settings, seed=5)
        fit(base, mixed, **fit_arguments(settings, tmp_path / str(tried)))
        found.append(weights(tmp_path / str(tried) / "step-12"))
    assert all(torch.equal(tensor, found[1][name]) for name, tensor in found[0].items())


def test_slow_steps_are_timed_three_times(monkeypatch: pytest.MonkeyPatch) -> None:
    from forgetless.training import trial

    monkeypatch.setattr(trial, "_ENOUGH_SECONDS", 0.0)
    assert try_steps(loaded(), blended(), settings=SETTINGS, seed=5).steps == 3


def test_the_search_for_a_null_space_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["forgetless.training.fit"], "start_in_null_space", lambda *_, **__: time.sleep(0.3))
    adapter = with_lora(SETTINGS).lora.model_copy(update={"init": "null_space"})
    settings = SETTINGS.model_copy(update={"method": "lora", "lora": adapter})
    assert try_steps(loaded(), blended(), settings=settings, seed=5).starting_seconds >= 0.3


@pytest.mark.parametrize("message", ["CUDA out of memory. Tried to allocate 2 GiB", "can't allocate memory: 9 bytes"])
def test_a_step_that_does_not_fit_is_refused_with_a_way_out(monkeypatch: pytest.MonkeyPatch, message: str) -> None:
    def full(*_: object, **__: object) -> None:
        raise RuntimeError(message)

    monkeypatch.setattr(RetentionTrainer, "compute_loss", full)
    with pytest.raises(ResourceError, match="batch_rows"):
        try_steps(loaded(), blended(), settings=SETTINGS, seed=5)


def test_another_error_of_a_step_is_no_matter_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(RetentionTrainer, "compute_loss", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        try_steps(loaded(), blended(), settings=SETTINGS, seed=5)


def test_a_fresh_stream_begins_anew() -> None:
    mixed = blended()
    first = mixed.stream.next_batch()
    assert fresh_stream(mixed.stream).next_batch() == first
    assert mixed.stream.next_batch() != first


def test_a_run_needs_at_least_its_weights_gradients_and_moments() -> None:
    model = tiny_model()
    size = sum(p.numel() for p in model.parameters())
    assert least_memory_bytes(model, SETTINGS) == 16 * size
    assert saved_bytes(model, SETTINGS) == 4 * size
    large, small = (with_lora(SETTINGS).model_copy(update={"lora": LoraSettings(rank=rank)}) for rank in (8, 1))
    assert least_memory_bytes(model, large) == 4 * saved_bytes(model, large) > 4 * size
    # A small adapter takes less while it is trained than the model of the certificate does afterwards.
    assert least_memory_bytes(model, small) == 4 * size
