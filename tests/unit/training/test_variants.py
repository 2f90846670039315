"""What can be trained besides all weights or a plain adapter: trained, saved, read back, gone on with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import PreTrainedModel

from forgetless.errors import RecipeError
from forgetless.models import LoadedModel, load_folder, save_and_reload, weights_hash
from forgetless.recipe import LoraSettings, TrainingSettings
from forgetless.training import checkpoint_model, fit, latest_resumable, predicted_bytes
from forgetless.training.student import make_student
from training_kit import SETTINGS, blended, fit_arguments, loaded, tiny_model, weights

PROBE = torch.tensor([[5, 9, 20, 33, 7]])
VARIANTS: dict[str, dict[str, Any]] = {
    "rslora": {"rslora": True},
    "dora": {"dora": True},
    "gaussian": {"init": "gaussian"},
    "norms": {"modules_to_save": ["norm", "input_layernorm"]},
    "embeddings": {"modules_to_save": ["embed_tokens"]},
    "dora and head": {"dora": True, "modules_to_save": ["lm_head"]},
    "confined": {"keep_directions": 3, "init": "null_space", "freeze_a": True},
}
MERGED = pytest.mark.parametrize("variant", VARIANTS)


def variant_of(name: str, *, output: str = "merged", steps: int = 6, **changes: Any) -> TrainingSettings:
    lora = LoraSettings(rank=4, **VARIANTS[name])
    return SETTINGS.model_copy(update={"method": "lora", "lora": lora, "output": output, "steps": steps, **changes})


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=PROBE).logits


def train(base: LoadedModel, settings: TrainingSettings, folder: Path) -> torch.Tensor:
    """The logits of the live model at the last step."""
    live = {}

    def look(model: PreTrainedModel, step: int, tokens: int) -> None:
        live[step] = logits(model.eval())

    fit(base, blended(settings=settings), **fit_arguments(settings, folder, every_steps=6, on_evaluate=look))
    return live[settings.steps]


@MERGED
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_start_is_the_base_to_the_last_bit(variant: str, dtype: torch.dtype) -> None:
    base = tiny_model().to(dtype)
    student = make_student(base, variant_of(variant), seed=3)
    trained = [weight for weight in student.parameters() if weight.requires_grad]
    assert {weight.dtype for weight in trained} == {torch.float32}
    assert torch.equal(logits(student.eval()), logits(base))


@MERGED
def test_what_was_trained_is_what_is_shipped(variant: str, tmp_path: Path) -> None:
    base = loaded()
    before = weights_hash(base.model)
    live = train(base, variant_of(variant), tmp_path / "run")
    assert weights_hash(base.model) == before
    merged = checkpoint_model(base, tmp_path / "run", 6, variant_of(variant))
    adapter = checkpoint_model(base, tmp_path / "run", 6, variant_of(variant, output="adapter"))
    assert type(merged) is type(base.model)
    assert isinstance(adapter, PeftModel)
    assert torch.equal(logits(adapter), live)
    torch.testing.assert_close(logits(merged), live, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(live, logits(base.model), atol=1e-3)
    whole = save_and_reload(base, merged, tmp_path / "whole")
    assert weights_hash(whole.model) == weights_hash(merged)
    beside = save_and_reload(base, adapter, tmp_path / "adapter")
    assert torch.equal(logits(beside.model), live)
    assert weights_hash(base.model) == before


@MERGED
def test_step_0_is_the_base(variant: str, tmp_path: Path) -> None:
    base = loaded()
    for output in ("merged", "adapter"):
        model = checkpoint_model(base, tmp_path, 0, variant_of(variant, output=output))
        assert torch.equal(logits(model), logits(base.model))


def test_tied_embeddings_in_half_precision_are_trained_in_full_and_come_back_as_they_were(tmp_path: Path) -> None:
    base = loaded(tiny_model().to(torch.bfloat16))
    settings = variant_of("embeddings", precision="bfloat16")
    train(base, settings, tmp_path)
    merged = checkpoint_model(base, tmp_path, 6, settings)
    assert merged.get_output_embeddings().weight is merged.get_input_embeddings().weight
    assert not torch.equal(merged.get_input_embeddings().weight, base.model.get_input_embeddings().weight)
    assert {weight.dtype for weight in merged.parameters()} == {torch.bfloat16}
    assert {tensor.dtype for tensor in weights(tmp_path / "step-6").values()} == {torch.float32}


class FallError(Exception):
    """What ends a run in the middle of a step."""


FROZEN = SETTINGS.model_copy(update={"freeze": ["embeddings", "layers 1"], "steps": 6})


@pytest.mark.parametrize(
    "settings",
    [variant_of("rslora"), variant_of("dora and head"), variant_of("confined"), FROZEN],
    ids=["rslora", "dora and head", "confined", "frozen"],
)
def test_a_run_that_falls_and_is_resumed_is_one_that_never_fell(settings: TrainingSettings, tmp_path: Path) -> None:
    def run(folder: Path, *, fall_at: int | None = None) -> None:
        def on_step(done: int, total: int) -> None:
            if done == fall_at:
                raise FallError

        arguments = fit_arguments(settings, folder, every_steps=3, on_step=on_step, resume=latest_resumable(folder))
        fit(loaded(), blended(settings=settings), **arguments)

    run(tmp_path / "whole")
    with pytest.raises(FallError):
        run(tmp_path / "fallen", fall_at=5)
    run(tmp_path / "fallen")
    expected, found = (weights(tmp_path / name / "step-6") for name in ("whole", "fallen"))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize(("dtype", "tied"), [(torch.float32, True), (torch.bfloat16, False)])
def test_frozen_parts_come_back_bit_for_bit_and_need_no_optimizer(
    dtype: torch.dtype, tied: bool, tmp_path: Path
) -> None:
    base = loaded(tiny_model(tie_word_embeddings=tied).to(dtype))
    settings = SETTINGS.model_copy(update={"freeze": ["embeddings", "layers 0-0"], "steps": 6})
    train(base, settings, tmp_path / "run")
    chosen = checkpoint_model(base, tmp_path / "run", 6, settings)
    shipped = save_and_reload(base, chosen, tmp_path / "model").model
    before, after = base.model.state_dict(), shipped.state_dict()
    same = {name for name in before if torch.equal(before[name], after[name])}
    layer = {name for name in before if name.startswith("model.layers.0.")}
    # With tied embeddings the output head is the same weight, and stays as well.
    assert same == layer | {"model.embed_tokens.weight"} | ({"lm_head.weight"} if tied else set())
    state = torch.load(tmp_path / "run" / "step-6" / "optimizer.pt", weights_only=True)["state"]
    held = sum(moments["exp_avg"].numel() for moments in state.values())
    assert held == sum(before[name].numel() for name in before.keys() - same)


def test_what_is_frozen_needs_no_room_for_its_optimizer() -> None:
    base = tiny_model()
    size = 4 * sum(weight.numel() for weight in base.parameters())
    layer = 4 * sum(weight.numel() for weight in base.model.layers[1].parameters())
    whole = predicted_bytes(base, SETTINGS, evaluations=3)
    assert whole == 3 * size + 2 * size + 3 * size
    assert predicted_bytes(base, SETTINGS.model_copy(update={"freeze": ["layers 1"]}), evaluations=3) == (
        whole - 2 * layer
    )
    merged = predicted_bytes(base, variant_of("norms"), evaluations=3)
    assert predicted_bytes(base, variant_of("norms", output="adapter"), evaluations=3) < merged < whole
    assert predicted_bytes(base, variant_of("embeddings"), evaluations=3) > merged


@pytest.mark.parametrize("part", ["layers 0-2", "layers 7"])
def test_layers_that_the_model_does_not_have_are_refused(part: str) -> None:
    with pytest.raises(RecipeError, match="has 2 layers"):
        make_student(tiny_model(), SETTINGS.model_copy(update={"freeze": [part]}), seed=0)


def test_something_is_left_to_train() -> None:
    model = tiny_model()
    model.model.norm = torch.nn.Identity()
    with pytest.raises(RecipeError, match="nothing is left"):
        make_student(model, SETTINGS.model_copy(update={"freeze": ["embeddings", "layers 0-1"]}), seed=0)


@pytest.mark.parametrize(
    ("lora", "said"),
    [
        ({"modules_to_save": ["nowhere"]}, "embed_tokens"),
        ({"modules_to_save": ["q_proj"]}, "puts an adapter on it"),
        ({"modules_to_save": ["mlp"]}, "several modules"),
        ({"target_modules": ["norm"]}, "can take an adapter"),
        ({"target_modules": "["}, "regular expression"),
        ({"target_modules": "lm_head"}, "cannot carry an adapter"),
        ({"target_modules": ["q_proj", "embed_tokens"]}, "output head"),
        ({"target_modules": r".*\.embed_tokens"}, "output head"),
    ],
)
def test_modules_that_do_not_fit_are_refused(lora: dict[str, Any], said: str) -> None:
    settings = SETTINGS.model_copy(update={"method": "lora", "lora": LoraSettings(**lora)})
    with pytest.raises(RecipeError, match=said) as caught:
        make_student(tiny_model(), settings, seed=0)
    assert caught.value.field.startswith("training.lora.")


def test_one_name_is_a_list_of_one() -> None:
    assert LoraSettings(target_modules="q_proj") == LoraSettings(target_modules=["q_proj"])
    assert LoraSettings().target_modules == "all-linear"
    assert LoraSettings(target_modules=r".*\.q_proj").target_modules == r".*\.q_proj"


def test_a_shipped_adapter_names_its_base(tmp_path: Path) -> None:
    base = loaded()
    save_and_reload(base, base.model, tmp_path / "base")
    base = load_folder(tmp_path / "base", device="cpu")
    settings = variant_of("rslora", output="adapter")
    beside = save_and_reload(base, checkpoint_model(base, tmp_path, 0, settings), tmp_path / "adapter")
    told = (tmp_path / "adapter" / "base.json").read_text()
    assert base.hash in told
    assert str(tmp_path / "base") in told
    assert beside.hash not in (base.hash, "")
