"""The loss of a step against one written out document by document with full logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import MixtralConfig, MixtralForCausalLM, PreTrainedModel

from forgetless import nano
from forgetless.models import load_folder
from forgetless.recipe import LoraSettings, TrainingSettings
from forgetless.training import prepare as prepare_module
from forgetless.training.blend import Blend
from forgetless.training.fit import make_trainer
from forgetless.training.prepare import prepare
from forgetless.training.savepoint import Savepoint
from forgetless.training.trainer import RetentionTrainer
from forgetless.training.watch import Watch
from training_kit import SETTINGS, VOCABULARY, blended, loaded, tiny_model, with_lora

KINDS = ("domain", "replay", "text")


def trainer_of(
    mixed: Blend, settings: TrainingSettings, folder: Path, base: PreTrainedModel, *, moved: float = 0.1
) -> RetentionTrainer:
    savepoint = Savepoint(folder, mixed.stream, dict)
    watch = Watch(savepoint, every_steps=4, on_evaluate=lambda model, step, tokens: None)
    model = loaded(base)
    collate = prepare(model, mixed, settings, cache=folder / "cache")
    trainer = make_trainer(model, mixed, settings, collate, savepoint, watch, every_steps=4, seed=5)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in trainer.model.parameters():
            if parameter.requires_grad:
                parameter += moved * torch.randn(parameter.shape, generator=generator)
    return trainer


def step_loss(trainer: RetentionTrainer, accumulate: int) -> torch.Tensor:
    """Loss of one optimiser step, its gradients left on the parameters."""
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = accumulate
    batches, items = trainer.get_batch_samples(iter(trainer.get_train_dataloader()), accumulate, torch.device("cpu"))
    losses = [trainer.compute_loss(trainer.model, batch, num_items_in_batch=items) for batch in batches]
    total = torch.stack(losses).sum()
    total.backward()
    return total.detach()


def slow_loss(
    student: torch.nn.Module, base: torch.nn.Module, mixed: Blend, settings: TrainingSettings
) -> torch.Tensor:
    """One document at a time, with the logits of the whole vocabulary."""
    weights = {"replay": settings.kl_weight, "domain": settings.domain_kl_weight}
    ce: list[torch.Tensor] = []
    kl: dict[str, list[torch.Tensor]] = {kind: [] for kind in weights}
    for _ in range(settings.accumulate_batches):
        for stream, index in (document for packed in mixed.stream.next_batch() for document in packed):
            document, kind = mixed.documents[stream][index], mixed.kinds[stream]
            ids = torch.tensor([document.input_ids])
            logits = torch.log_softmax(student(input_ids=ids).logits[0, :-1], -1)
            labels = torch.tensor(document.labels[1:])
            if kind in kl:
                with torch.no_grad():
                    target = torch.log_softmax(base(input_ids=ids).logits[0, :-1], -1)
                first, second = (target, logits) if settings.kl_direction == "forward" else (logits, target)
                divergence = (first.exp() * (first - second)).sum(-1)
                divergence = divergence * mixed.stream.multipliers()[mixed.stream.specs[stream].name]
                kl[kind].extend(divergence if settings.kl_tokens == "all" else divergence[labels != -100])
            if kind != "replay":
                ce.extend(-logits[i, label] for i, label in enumerate(labels) if label != -100)
    loss = torch.stack(ce).mean()
    return loss + sum(weights[kind] * torch.stack(found).mean() for kind, found in kl.items() if found)


REVERSE, ON_DOMAIN = {"kl_direction": "reverse"}, {"domain_kl_weight": 0.3}


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("kl_tokens", ["answer", "all"])
@pytest.mark.parametrize(
    ("method", "changes"),
    [("full", {}), ("lora", {}), ("full", REVERSE), ("full", ON_DOMAIN), ("lora", REVERSE | ON_DOMAIN),
     ("full", ON_DOMAIN | {"kl_weight": 0.0})],
)  # fmt: skip
def test_loss_and_gradients_are_those_of_the_formula(
    accumulate: int, kl_tokens: str, method: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    settings = SETTINGS.model_copy(update={"accumulate_batches": accumulate, "kl_tokens": kl_tokens, **changes})
    settings = with_lora(settings, dropout=0.0) if method == "lora" else settings
    trainer = trainer_of(blended(KINDS, settings=settings), settings, tmp_path, tiny_model())
    found = step_loss(trainer, accumulate)
    gradients = [p.grad.clone() for p in trainer.model.parameters() if p.grad is not None]
    trainer.model.zero_grad()
    expected = slow_loss(trainer.model, tiny_model(), blended(KINDS, settings=settings), settings)
    assert torch.isfinite(expected)
    expected.backward()
    slow = [p.grad for p in trainer.model.parameters() if p.grad is not None]
    torch.testing.assert_close(found, expected.detach(), rtol=1e-5, atol=1e-5)
    assert len(gradients) == len(slow) > 0
    for got, want in zip(gradients, slow, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-6)


def test_logged_means_are_those_of_the_tokens(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update=ON_DOMAIN)
    trainer = trainer_of(blended(KINDS), settings, tmp_path, tiny_model())
    loss = float(step_loss(trainer, 1))
    means = trainer.tally.drain(lambda tensor: tensor)
    assert means.keys() == {"ce", "kl", "domain_kl", "entropy"}
    parts = means["ce"] + settings.kl_weight * means["kl"] + settings.domain_kl_weight * means["domain_kl"]
    assert parts == pytest.approx(loss, rel=1e-5)
    assert trainer.tally.drain(lambda tensor: tensor) == {}


APART = ("domain", "replay", "replay", "text")
HELD_APART = {"replay": 0.5, "replay/2": 4.0}


def held_apart(settings: TrainingSettings, multipliers: dict[str, float]) -> Blend:
    mixed = blended(APART, settings=settings)
    mixed.stream.set_multipliers(multipliers)
    return mixed


@pytest.mark.parametrize("changes", [{}, REVERSE, {"kl_reference": "cached", "kl_top_k": VOCABULARY}])
def test_each_stream_of_replay_weighs_by_its_multiplier(changes: dict[str, Any], tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"accumulate_batches": 2, **changes})
    trainer = trainer_of(held_apart(settings, HELD_APART), settings, tmp_path, tiny_model())
    found = step_loss(trainer, 2)
    gradients = [p.grad.clone() for p in trainer.model.parameters() if p.grad is not None]
    trainer.model.zero_grad()
    expected = slow_loss(trainer.model, tiny_model(), held_apart(settings, HELD_APART), settings)
    expected.backward()
    torch.testing.assert_close(found, expected.detach(), rtol=1e-5, atol=1e-5)
    for got, want in zip(gradients, (p.grad for p in trainer.model.parameters() if p.grad is not None), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-6)


def test_the_log_tells_the_kl_of_each_stream_as_it_is_without_multipliers(tmp_path: Path) -> None:
    told = {}
    for name, multipliers in {"as the recipe": {}, "held apart": HELD_APART}.items():
        trainer = trainer_of(held_apart(SETTINGS, multipliers), SETTINGS, tmp_path, tiny_model())
        step_loss(trainer, 1)
        told[name] = trainer.tally.drain(lambda tensor: tensor)
    assert told["as the recipe"] == told["held apart"]
    means = told["held apart"]
    assert means.keys() == {"ce", "entropy", "kl", "kl_replay", "kl_replay/2"}
    assert min(means["kl_replay"], means["kl_replay/2"]) < means["kl"] < max(means["kl_replay"], means["kl_replay/2"])


def test_multipliers_of_1_change_no_bit(tmp_path: Path) -> None:
    gradients = []
    for apart in (True, False):
        trainer = trainer_of(blended(APART), SETTINGS, tmp_path, tiny_model())
        assert trainer.own_loss is not None
        if not apart:
            trainer.own_loss._told_apart = []
        step_loss(trainer, 1)
        gradients.append([p.grad for p in trainer.model.parameters()])
    assert all(torch.equal(*pair) for pair in zip(*gradients, strict=True))


FROZEN = SETTINGS.model_copy(update={"freeze": ["embeddings", "layers 0"]})
DORA = SETTINGS.model_copy(
    update={"method": "lora", "lora": LoraSettings(rank=4, dora=True, modules_to_save=["embed_tokens"])}
)


@pytest.mark.parametrize(
    "settings", [SETTINGS, FROZEN, with_lora(SETTINGS, 0.0), DORA], ids=["full", "frozen", "lora", "dora"]
)
def test_gradient_checkpointing_changes_no_loss_and_no_gradient(settings: TrainingSettings, tmp_path: Path) -> None:
    losses, gradients = [], []
    for checkpointing in (False, True):
        settings = settings.model_copy(update={"gradient_checkpointing": checkpointing})
        trainer = trainer_of(blended(KINDS), settings, tmp_path, tiny_model())
        losses.append(step_loss(trainer, 1))
        gradients.append([p.grad for p in trainer.model.parameters() if p.requires_grad])
    assert torch.equal(losses[0], losses[1])
    assert all(torch.equal(*pair) for pair in zip(*gradients, strict=True))


@pytest.mark.parametrize("layout", ["alone", "flat"])
@pytest.mark.parametrize("kl_weight", [0.0, 0.7])
def test_the_loss_does_not_depend_on_how_documents_are_laid_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str, kl_weight: float
) -> None:
    settings = SETTINGS.model_copy(update={"kl_weight": kl_weight})
    packed = step_loss(trainer_of(blended(KINDS), settings, tmp_path, tiny_model()), 1)
    monkeypatch.setattr(prepare_module, "layout_of", lambda model: layout)
    other = step_loss(trainer_of(blended(KINDS), settings, tmp_path, tiny_model()), 1)
    torch.testing.assert_close(packed, other, rtol=1e-5, atol=1e-6)


def test_in_the_flat_layout_boundaries_are_handed_to_both_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare_module, "layout_of", lambda model: "flat")
    base = tiny_model()
    trainer = trainer_of(blended(KINDS), SETTINGS, tmp_path, base)
    given: list[dict[str, Any]] = []
    for model in (trainer.student, base):
        layer = model.model.layers[1].self_attn
        layer.register_forward_pre_hook(lambda module, args, kwargs: given.append(kwargs), with_kwargs=True)
    step_loss(trainer, 1)
    assert len(given) == 2
    for arguments in given:
        starts = (arguments["position_ids"][0] == 0).nonzero().flatten().tolist()
        assert arguments["cu_seq_lens_q"].tolist() == [*starts, arguments["position_ids"].shape[1]]
        assert arguments["max_length_k"] == max(arguments["cu_seq_lens_k"].diff().tolist())


@pytest.mark.parametrize("stored", ["float32", "bfloat16"])
@pytest.mark.parametrize("settings", [SETTINGS, with_lora(SETTINGS, 0.0), DORA], ids=["full", "lora", "dora"])
def test_under_bfloat16_the_first_step_is_taken_at_the_base(
    settings: TrainingSettings, stored: str, tmp_path: Path
) -> None:
    settings = settings.model_copy(update={"precision": "bfloat16", "kl_tokens": "all"})
    base = load_folder(nano.MODEL_PATH, dtype=stored, device="cpu").model
    trainer = trainer_of(blended(KINDS), settings, tmp_path, base, moved=0.0)
    with trainer.accelerator.autocast():
        step_loss(trainer, 1)
    means = trainer.tally.drain(lambda tensor: tensor)
    assert abs(means["kl"]) < 3e-3  # what rounding to bfloat16 is worth, in nats
    assert all(torch.isfinite(p.grad).all() for p in trainer.model.parameters() if p.requires_grad)


def test_experts_keep_their_balancing_loss(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = MixtralConfig(
        vocab_size=64,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        num_local_experts=2,
        output_router_logits=True,
        router_aux_loss_coef=0.5,
        bos_token_id=2,
        eos_token_id=1,
        pad_token_id=0,
    )
    base = MixtralForCausalLM(config).eval()
    trainer = trainer_of(blended(KINDS), SETTINGS, tmp_path, base)
    with_balance = step_loss(trainer, 1)
    means = trainer.tally.drain(lambda tensor: tensor)
    balance = float(with_balance) - means["ce"] - SETTINGS.kl_weight * means["kl"]
    assert 0.5 < balance / 0.5 < 4.0  # the balancing loss of two experts lies near its minimum, 2 chosen of 2
