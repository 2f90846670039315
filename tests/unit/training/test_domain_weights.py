"""Weights on the domain's cross-entropy, against the formula written out document by document."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_trainer_loss import slow_loss, step_loss, trainer_of
from transformers import PreTrainedModel

from forgetless.recipe import TrainingSettings
from forgetless.records import StreamKind
from forgetless.tokens import Encoded
from forgetless.training import fit, try_steps
from forgetless.training.base_likelihood import base_weights
from forgetless.training.blend import Blend
from forgetless.training.prepare import prepare
from training_kit import SETTINGS, Documents, blended, fit_arguments, loaded, tiny_model, weights, with_lora

KINDS: tuple[StreamKind, ...] = ("domain", "replay")
RULES = ["eaft", "stm", "flow", "dft", "asft"]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORGETLESS_CACHE", str(tmp_path / "cache"))


def surer_base() -> PreTrainedModel:
    """Sure that a token is said once more."""
    model = tiny_model()
    with torch.no_grad():
        model.model.norm.weight *= 40
    return model


def chosen(rule: str, **changes: Any) -> TrainingSettings:
    data = SETTINGS.model_dump(exclude={"domain_kl_weight"}) | {"domain_weights": rule}
    return TrainingSettings.model_validate(data).model_copy(update=changes)


def mixture(kinds: tuple[StreamKind, ...], settings: TrainingSettings) -> Blend:
    """Documents in which every other token repeats the one before it, which `surer_base` is sure of."""
    mixed = blended(kinds, settings=settings)
    return dataclasses.replace(mixed, documents=tuple(Documents(map(stuttered, stream)) for stream in mixed.documents))


def stuttered(document: Encoded) -> Encoded:
    ids = [document.input_ids[place - place % 2] for place in range(len(document.input_ids))]
    labels = [label if label == -100 else token for label, token in zip(document.labels, ids, strict=True)]
    return dataclasses.replace(document, input_ids=ids, labels=labels)


def probabilities(model: torch.nn.Module, ids: list[int]) -> torch.Tensor:
    return torch.softmax(model(input_ids=torch.tensor([ids])).logits[0, :-1], -1)


def base_losses(base: torch.nn.Module, mixed: Blend) -> dict[tuple[int, int], list[float]]:
    """The base's loss on every label of the domain, document by document."""
    found = {}
    for stream, kind in enumerate(mixed.kinds):
        for index, document in enumerate(mixed.documents[stream]):
            if kind == "domain":
                p = probabilities(base, document.input_ids).detach()
                labels = enumerate(document.labels[1:])
                found[stream, index] = [-math.log(float(p[i, label])) for i, label in labels if label != -100]
    return found


def slow_weighted(
    student: torch.nn.Module, base: torch.nn.Module, mixed: Blend, settings: TrainingSettings
) -> torch.Tensor:
    """Cross-entropy alone, with the weights as METHODS names them."""
    losses = base_losses(base, mixed)
    middle = float(np.median([np.mean(one) for one in losses.values()]))
    flow = {document: math.exp(-np.mean(one) / middle) for document, one in losses.items()}
    scale = sum(map(len, losses.values())) / sum(flow[d] * len(one) for d, one in losses.items())
    total, count = torch.zeros(()), 0
    for _ in range(settings.accumulate_batches):
        for stream, index in (document for packed in mixed.stream.next_batch() for document in packed):
            document, kind = mixed.documents[stream][index], mixed.kinds[stream]
            if kind == "replay":
                continue
            p, seen = probabilities(student, document.input_ids), iter(losses.get((stream, index), ()))
            for place, label in enumerate(document.labels[1:]):
                if label == -100:
                    continue
                weight = 1.0
                if kind == "domain":
                    before = next(seen)
                    likeliest = p[place].detach().sort(descending=True).values[:20]
                    likeliest = likeliest / likeliest.sum()
                    weight = {
                        "eaft": float(-(likeliest * likeliest.log()).nansum()) / math.log(20),
                        "stm": float(math.exp(-before) >= 0.4),
                        "flow": scale * flow[stream, index],
                        "dft": float(p[place, label].detach()),
                        "asft": float(p[place, label].detach()),
                    }[settings.domain_weights]
                    count -= settings.domain_weights == "stm" and weight == 0.0
                count += 1
                total = total - weight * p[place, label].log()
    return total / max(count, 1)


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("kl_weight", [0.0, 0.7])
@pytest.mark.parametrize("rule", RULES)
def test_loss_and_gradients_are_those_of_the_formula(
    rule: str, kl_weight: float, accumulate: int, tmp_path: Path
) -> None:
    settings = chosen(rule, accumulate_batches=accumulate, kl_weight=kl_weight)
    if accumulate == 3:
        settings = with_lora(settings, dropout=0.0)

    def mixed() -> Blend:
        return mixture(("domain", "replay", "general"), settings)

    base = surer_base()
    trainer = trainer_of(mixed(), settings, tmp_path, surer_base())
    found = step_loss(trainer, accumulate)
    gradients = [p.grad.clone() for p in trainer.model.parameters() if p.grad is not None]
    trainer.model.zero_grad()
    # What the KL terms add to a loss is tested without weights; here they are the difference of two such losses.
    kl_alone = slow_loss(trainer.model, base, mixed(), settings)
    kl_alone = kl_alone - slow_loss(
        trainer.model, base, mixed(), settings.model_copy(update={"kl_weight": 0.0, "domain_kl_weight": 0.0})
    )
    expected = slow_weighted(trainer.model, base, mixed(), settings) + kl_alone
    expected.backward()
    torch.testing.assert_close(found, expected.detach(), rtol=1e-4, atol=1e-5)
    for got, want in zip(gradients, (p.grad for p in trainer.model.parameters() if p.grad is not None), strict=True):
        torch.testing.assert_close(got, want, rtol=2e-3, atol=1e-4 * float(want.abs().max()) + 1e-8)


def test_the_weights_do_weigh(tmp_path: Path) -> None:
    losses = {}
    for rule in ("none", *RULES):
        trainer = trainer_of(mixture(("domain",), chosen(rule)), chosen(rule), tmp_path, surer_base())
        losses[rule] = round(float(step_loss(trainer, 1)), 6)
        means = trainer.tally.drain(lambda tensor: tensor)
        if rule in ("eaft", "flow", "dft"):
            assert means["ce"] == pytest.approx(losses["none"], rel=1e-5), "the log has the loss without weights"
    assert len(set(losses.values())) == len(losses)


def test_weights_by_the_base_are_read_once_and_rows_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base, mixed, settings = loaded(surer_base()), mixture(KINDS, SETTINGS), chosen("flow")
    collate = prepare(base, mixed, SETTINGS, cache=tmp_path)
    told: list[tuple[int, int]] = []
    flow = base_weights(base, mixed, settings, collate, cache=tmp_path, progress=lambda *d: told.append(d))
    assert told[-1] == (20, 20)
    masks = [[place > 0 and label != -100 for place, label in enumerate(d.labels)] for d in mixed.documents[0]]
    trained = np.concatenate([w[np.array(m)] for w, m in zip(flow[0].values(), masks, strict=True)])
    assert trained.mean() == pytest.approx(1.0, rel=1e-5)
    assert len(set(trained.tolist())) > 10
    monkeypatch.setattr(type(base.model.base_model), "forward", lambda *a, **k: pytest.fail("these were read before"))
    stm = base_weights(base, mixed, chosen("stm"), collate, cache=tmp_path)
    kept = np.concatenate([w[np.array(m)] for w, m in zip(stm[0].values(), masks, strict=True)])
    assert set(kept.tolist()) == {0.0, 1.0}
    assert flow.keys() == stm.keys() == {0}


def test_a_step_without_a_label_left_is_a_step(tmp_path: Path) -> None:
    clueless = tiny_model()  # gives no label 0.4
    trainer = trainer_of(blended(("domain",)), chosen("stm"), tmp_path, clueless)
    assert float(step_loss(trainer, 1)) == 0.0


@pytest.mark.parametrize("rule", ["stm", "eaft"])
def test_runs_with_weights_repeat_and_can_be_tried(rule: str, tmp_path: Path) -> None:
    settings = chosen(rule)
    for name in ("first", "second"):
        fit(loaded(surer_base()), mixture(KINDS, settings), **fit_arguments(settings, tmp_path / name))
    first, second = (weights(tmp_path / name / "step-12") for name in ("first", "second"))
    assert all(torch.equal(first[name], second[name]) for name in first)
    trial = try_steps(loaded(surer_base()), mixture(KINDS, settings), settings=settings, seed=0)
    assert (trial.reading_seconds > 0.0) == (rule == "stm")
