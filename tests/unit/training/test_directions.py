"""An adapter that leaves the strongest directions of the base alone, through training, shipping and resuming."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedModel

from forgetless.errors import RecipeError
from forgetless.recipe import LoraSettings, TrainingSettings
from forgetless.training import checkpoint_bytes, checkpoint_model, fit, least_memory_bytes
from forgetless.training.adapter import adapted_weights
from forgetless.training.directions import KeptDirections, top_singular_vectors
from forgetless.training.student import make_student
from training_kit import SETTINGS, blended, fit_arguments, loaded, tiny_model, weights

KEPT = 5
PROBE = torch.tensor([[5, 9, 20, 33, 7]])


def keeping(count: int | None = KEPT, **lora: Any) -> TrainingSettings:
    adapter = LoraSettings(rank=4, keep_directions=count, **lora)
    return SETTINGS.model_copy(
        update={"method": "lora", "lora": adapter, "learning_rate": 0.02, "weight_decay": 0.1, "steps": 4}
    )


def touched(weight: Tensor, change: Tensor, count: int = KEPT) -> tuple[float, float]:
    """Shares of a change that lie along the first left singular vectors of a weight, and along the right ones."""
    left, _, right = torch.linalg.svd(weight.double())
    change = change.double()
    return (
        float((left[:, :count].T @ change).norm() / change.norm()),
        float((change @ right[:count].T).norm() / change.norm()),
    )


def changes(base: PreTrainedModel, tuned: PreTrainedModel) -> dict[str, tuple[Tensor, Tensor]]:
    """Every weight that has changed, and by how much."""
    before, after = base.state_dict(), tuned.state_dict()
    return {name: (w, after[name] - w) for name, w in before.items() if not torch.equal(after[name], w)}


@pytest.mark.parametrize("lora", [{}, {"rslora": True, "init": "gaussian", "dropout": 0.2, "freeze_a": True}], ids=str)
def test_what_is_shipped_has_not_touched_them(lora: dict[str, Any], tmp_path: Path) -> None:
    base, settings = loaded(), keeping(**lora)
    fit(base, blended(settings=settings), **fit_arguments(settings, tmp_path, every_steps=2))
    early, late = (weights(tmp_path / f"step-{step}") for step in (2, 4))
    assert {torch.equal(early[name], late[name]) for name in early if "lora_A" in name} == {"freeze_a" in lora}
    found = changes(base.model, checkpoint_model(base, tmp_path, 4, settings))
    assert len(found) == 14
    for weight, change in found.values():
        assert max(touched(weight, change)) < 1e-5


def test_without_it_they_are_touched(tmp_path: Path) -> None:
    base, settings = loaded(), keeping(None)
    fit(base, blended(settings=settings), **fit_arguments(settings, tmp_path))
    for weight, change in changes(base.model, checkpoint_model(base, tmp_path, 4, settings)).values():
        assert min(touched(weight, change)) > 0.1


def test_gradients_are_those_of_the_projected_factors() -> None:
    """Those of A and B in P_L B A P_R, so that clipping counts what can move."""
    base = tiny_model()
    students = [make_student(base, keeping(), seed=1) for _ in range(2)]
    KeptDirections(students[0], KEPT, seed=0)
    held, free = (adapted_weights(student, field="", value="") for student in students)
    for kept, plain in zip(held, free, strict=True):
        left, _ = top_singular_vectors(kept.of_base(), KEPT, seed=0)
        kept.b.data = torch.randn(kept.b.shape)
        kept.b.data -= left @ (left.T @ kept.b.data)
        plain.a.data, plain.b.data = kept.a.data.clone(), kept.b.data.clone()
    for student in students:
        student(input_ids=PROBE).logits.square().sum().backward()
    for kept, plain in zip(held, free, strict=True):
        left, right = top_singular_vectors(kept.of_base(), KEPT, seed=0)
        a, b = plain.a.grad, plain.b.grad
        torch.testing.assert_close(kept.a.grad, a - a @ right @ right.T, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(kept.b.grad, b - left @ (left.T @ b), rtol=1e-3, atol=1e-4)
        assert not torch.allclose(kept.a.grad, a, rtol=1e-2)
        assert not torch.allclose(kept.b.grad, b, rtol=1e-2)


def test_it_starts_as_nothing_and_draws_no_number() -> None:
    base = tiny_model()
    student = make_student(base, keeping(), seed=3)
    state = torch.get_rng_state()
    KeptDirections(student, KEPT, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    with torch.no_grad():
        assert torch.equal(student.eval()(input_ids=PROBE).logits, base(input_ids=PROBE).logits)


def test_directions_of_a_large_weight_are_found_alike_every_time() -> None:
    """A random weight is the worst case: its singular values lie close together."""
    weight = torch.randn(300, 200, generator=torch.Generator().manual_seed(0))
    left, right = top_singular_vectors(weight, 10, seed=0)
    assert all(torch.equal(a, b) for a, b in zip((left, right), top_singular_vectors(weight, 10, seed=0), strict=True))
    strongest = torch.linalg.svdvals(weight)[:10].square().sum()
    for found, vectors, count in ((left.T @ weight, left, 300), (weight @ right, right, 200)):
        assert vectors.shape == (count, 10)
        torch.testing.assert_close(vectors.T @ vectors, torch.eye(10), rtol=0, atol=1e-5)
        assert found.square().sum() > 0.97 * strongest


@pytest.mark.filterwarnings("ignore:fan_in_fan_out is set to False")
def test_weights_that_lie_on_their_side_are_turned() -> None:
    """GPT-2 keeps its weights as `[in, out]`."""
    config = GPT2Config(vocab_size=64, n_positions=32, n_embd=16, n_layer=1, n_head=2, bos_token_id=1, eos_token_id=1)
    base = GPT2LMHeadModel(config).eval()
    student = make_student(base, keeping(target_modules=["c_attn", "c_proj"]), seed=0)
    adapted = {w.name: w for w in adapted_weights(student, field="", value="")}
    attention = adapted["transformer.h.0.attn.c_attn"]
    assert attention.of_base().shape == (attention.b.shape[0], attention.a.shape[1]) == (48, 16)
    held = KeptDirections(student, KEPT, seed=0)
    attention.b.data.normal_()
    held.on_optimizer_step(None, None, None)
    assert max(touched(attention.of_base(), (attention.b @ attention.a).detach())) < 1e-5


@pytest.mark.parametrize(
    ("model", "lora", "said"),
    [
        ({}, {"count": 16}, "16 × 16"),
        ({"num_key_value_heads": 1}, {"count": 8}, "8 × 16"),
        ({"tie_word_embeddings": False}, {"target_modules": ["embed_tokens"]}, "linear layers"),
    ],
)
def test_where_there_is_no_room_it_is_refused(model: dict[str, Any], lora: dict[str, Any], said: str) -> None:
    settings = keeping(**lora)
    assert settings.lora is not None
    student = make_student(tiny_model(**model), settings, seed=0)
    with pytest.raises(RecipeError, match=said) as caught:
        KeptDirections(student, settings.lora.keep_directions or 0, seed=0)
    assert caught.value.field == "training.lora.keep_directions"


def test_directions_need_memory_and_a_frozen_factor_needs_no_moments() -> None:
    base = tiny_model()
    linear = [m for m in base.modules() if isinstance(m, torch.nn.Linear)]
    inputs, outputs = sum(m.in_features for m in linear), sum(m.out_features for m in linear)
    adapter = {"output": "adapter"}
    plain, kept = (least_memory_bytes(base, keeping(k).model_copy(update=adapter)) for k in (None, KEPT))
    assert kept == plain + 4 * KEPT * (inputs + outputs)
    whole, half = (checkpoint_bytes(base, keeping(freeze_a=frozen)) for frozen in (False, True))
    assert half == whole - 2 * 4 * 4 * inputs
