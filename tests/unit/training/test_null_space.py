"""An adapter that starts where the inputs of the base have the least energy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from forgetless.errors import RecipeError
from forgetless.recipe import LoraSettings, TrainingSettings
from forgetless.training import Blend, fit
from forgetless.training import null_space as room
from forgetless.training.adapter import AdaptedWeight, adapted_weights
from forgetless.training.null_space import shared_inputs, start_in_null_space
from forgetless.training.student import make_student
from training_kit import SETTINGS, blended, fit_arguments, loaded, tiny_model, weights

PROBE = torch.tensor([[5, 9, 20, 33, 7]])
RANK = 3


def starting(**lora: Any) -> TrainingSettings:
    adapter = LoraSettings(rank=RANK, init="null_space", **lora)
    return SETTINGS.model_copy(update={"method": "lora", "lora": adapter, "learning_rate": 0.02, "steps": 4})


def started(model: torch.nn.Module, mixed: Blend, seed: int = 0, **lora: Any) -> dict[str, AdaptedWeight]:
    student = make_student(model, starting(**lora), seed=1)
    start_in_null_space(student, model, mixed, seed=seed)
    with torch.no_grad():
        assert torch.equal(student.eval()(input_ids=PROBE).logits, model(input_ids=PROBE).logits)
    return {weight.name: weight for weight in adapted_weights(student, field="", value="")}


def inputs_over(model: torch.nn.Module, name: str, mixed: Blend, stream: int) -> Tensor:
    """Everything that a layer reads while the model reads all documents of a stream, `[N, in]`."""
    seen: list[Tensor] = []
    hook = dict(model.named_modules())[name].register_forward_hook(lambda m, given, out: seen.append(given[0][0]))
    with torch.no_grad():
        for document in mixed.documents[stream]:  # type: ignore[attr-defined]
            model(input_ids=torch.tensor([document.input_ids]))
    hook.remove()
    return torch.cat(seen)


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> Blend:
    """A mixture all of whose replay rows are read."""
    monkeypatch.setattr(room, "_TOKENS_PER_INPUT", 1000)
    return blended(("domain", "replay"))


def test_rows_read_along_the_weakest_directions_of_replay(whole: Blend) -> None:
    """Against singular values of all inputs laid side by side."""
    model = tiny_model()
    for name, found in started(model, whole).items():
        read = inputs_over(model, name, whole, stream=1).double()
        weakest = torch.linalg.svdvals(read)[-RANK:].square().sum()
        torch.testing.assert_close((read @ found.a.double().T).square().sum(), weakest / 3, rtol=1e-4, atol=1e-8)
        torch.testing.assert_close(found.a @ found.a.T, torch.eye(RANK) / 3, rtol=0, atol=1e-6)


def test_layers_that_read_the_same_share_it(whole: Blend) -> None:
    groups = shared_inputs(tiny_model(), started(tiny_model(), whole), PROBE)
    endings = [[name.rpartition(".")[2] for name in group] for group in groups]
    assert endings == 2 * [["q_proj", "k_proj", "v_proj"], ["o_proj"], ["gate_proj", "up_proj"], ["down_proj"]]


def test_several_passes_find_what_one_finds(whole: Blend, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = started(tiny_model(), whole)
    monkeypatch.setattr(room, "_BYTES_AT_ONCE", 1)
    one_by_one = started(tiny_model(), whole)
    assert all(torch.equal(at_once[name].a, found.a) for name, found in one_by_one.items())


def test_a_sample_of_rows_is_drawn_by_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_TOKENS_PER_INPUT", 2)
    first, again, other = (started(tiny_model(), blended(), seed=seed) for seed in (0, 0, 1))
    name = "model.layers.1.mlp.down_proj"
    assert torch.equal(first[name].a, again[name].a)
    assert not torch.equal(first[name].a, other[name].a)


def test_a_layer_that_no_row_reaches_starts_by_default(whole: Blend) -> None:
    model = tiny_model()
    model.model.spare = torch.nn.Linear(16, 16, bias=False)
    fresh = {w.name: w for w in adapted_weights(make_student(model, starting(), seed=1), field="", value="")}
    found = started(model, whole)
    assert torch.equal(found["model.spare"].a, fresh["model.spare"].a)
    met = "model.layers.0.self_attn.q_proj"
    assert not torch.equal(found[met].a, fresh[met].a)


def test_a_rank_above_the_width_of_a_layer_leaves_the_rest_as_it_was(whole: Blend) -> None:
    student = make_student(tiny_model(), starting().model_copy(update={"lora": LoraSettings(rank=20)}), seed=1)
    before = {w.name: w.a.clone() for w in adapted_weights(student, field="", value="")}
    start_in_null_space(student, tiny_model(), whole, seed=0)
    for found in adapted_weights(student, field="", value=""):
        width = found.a.shape[1]
        assert torch.equal(found.a[width:], before[found.name][width:])


def test_a_frozen_factor_stays_there(tmp_path: Path) -> None:
    """The rows that are kept then hardly see the adapter, whatever it has learnt."""
    drift = {}
    for frozen in (True, False):
        settings = starting(freeze_a=frozen)
        fit(loaded(), blended(settings=settings), **fit_arguments(settings, tmp_path / str(frozen)))
        first = started(tiny_model(), blended(settings=settings), seed=5)
        trained = weights(tmp_path / str(frozen) / "step-4")
        drift[frozen] = max(
            float((trained[f"base_model.model.{name}.lora_A.weight"] - weight.a.detach()).abs().max())
            for name, weight in first.items()
        )
        assert all(tensor.any() for name, tensor in trained.items() if "lora_B" in name)
    assert drift[True] == 0.0
    assert drift[False] > 0.01


def test_too_few_tokens_tell_nothing() -> None:
    mixed = blended()
    tokens = sum(len(document.input_ids) for document in mixed.documents[1])  # type: ignore[attr-defined]
    model = tiny_model(intermediate_size=tokens + 1)
    with pytest.raises(RecipeError, match=r"down_proj") as caught:
        start_in_null_space(make_student(model, starting(), seed=0), model, mixed, seed=0)
    assert caught.value.field == "training.lora.init"
    assert "replay.rows" in caught.value.way_out


def test_embeddings_are_refused() -> None:
    model = tiny_model(tie_word_embeddings=False)
    student = make_student(model, starting(target_modules=["embed_tokens", "q_proj"]), seed=0)
    with pytest.raises(RecipeError, match="linear layers") as caught:
        start_in_null_space(student, model, blended(), seed=0)
    assert caught.value.field == "training.lora.init"
