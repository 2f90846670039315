"""What the base said once in the place of the base."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_trainer_loss import KINDS, slow_loss, step_loss, trainer_of
from transformers import PreTrainedModel

from forgetless.models import weights_hash
from forgetless.recipe import ReplaySettings, TrainingSettings
from forgetless.training import fit, predicted_bytes, reference_bytes, try_steps
from forgetless.training.blend import Blend
from forgetless.training.prepare import prepare
from forgetless.training.reference_cache import store_top_k, stored_bytes
from training_kit import SETTINGS, VOCABULARY, blended, fit_arguments, loaded, tiny_model, weights, with_lora

REPLAY = KINDS.index("replay")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORGETLESS_CACHE", str(tmp_path / "cache"))


def cached(k: int, **changes: Any) -> TrainingSettings:
    return SETTINGS.model_copy(update={"kl_reference": "cached", "kl_top_k": k, **changes})


def bucketed(settings: TrainingSettings, mixed: Blend, student: torch.nn.Module, base: torch.nn.Module) -> torch.Tensor:
    """The KL term of one step, token by token, over the top k and the rest."""
    found: list[torch.Tensor] = []
    for _ in range(settings.accumulate_batches):
        for stream, index in (document for packed in mixed.stream.next_batch() for document in packed):
            document = mixed.documents[stream][index]
            if stream != REPLAY:
                continue
            ids = torch.tensor([document.input_ids])
            q = torch.softmax(base(input_ids=ids).logits[0, :-1].detach(), -1)
            p = torch.softmax(student(input_ids=ids).logits[0, :-1], -1)
            for place, label in enumerate(document.labels[1:]):
                if label == -100 and settings.kl_tokens == "answer":
                    continue
                order = q[place].argsort(descending=True)
                parts = [*order[: settings.kl_top_k].split(1), order[settings.kl_top_k :]]
                found.append(sum(q[place][v].sum() * (q[place][v].sum() / p[place][v].sum()).log() for v in parts))
    return torch.stack(found).mean()


@pytest.mark.parametrize("kl_tokens", ["answer", "all"])
@pytest.mark.parametrize("method", ["full", "lora"])
def test_loss_and_gradients_are_those_of_the_formula(method: str, kl_tokens: str, tmp_path: Path) -> None:
    settings = cached(5, accumulate_batches=2, kl_tokens=kl_tokens)
    settings = with_lora(settings, dropout=0.0) if method == "lora" else settings
    trainer = trainer_of(blended(KINDS, settings=settings), settings, tmp_path, tiny_model())
    found = step_loss(trainer, 2)
    gradients = [p.grad.clone() for p in trainer.model.parameters() if p.grad is not None]
    trainer.model.zero_grad()
    plain = settings.model_copy(update={"kl_weight": 0.0})
    expected = slow_loss(trainer.model, tiny_model(), blended(KINDS, settings=settings), plain)
    kl = bucketed(settings, blended(KINDS, settings=settings), trainer.model, tiny_model())
    (expected + settings.kl_weight * kl).backward()
    torch.testing.assert_close(found, (expected + settings.kl_weight * kl).detach(), rtol=1e-5, atol=1e-5)
    for got, want in zip(gradients, (p.grad for p in trainer.model.parameters() if p.grad is not None), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("layout", ["packed", "alone", "flat"])
def test_with_all_tokens_it_is_the_live_reference(layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live = trainer_of(blended(KINDS), SETTINGS, tmp_path, tiny_model())
    monkeypatch.setattr("forgetless.training.prepare.layout_of", lambda model: layout)
    known = trainer_of(blended(KINDS), cached(10 * VOCABULARY), tmp_path, tiny_model())
    torch.testing.assert_close(step_loss(known, 1), step_loss(live, 1), rtol=1e-6, atol=1e-6)
    for got, want in zip(known.model.parameters(), live.model.parameters(), strict=True):
        torch.testing.assert_close(got.grad, want.grad, rtol=1e-5, atol=1e-7)


def test_what_is_stored_is_what_the_base_says(tmp_path: Path) -> None:
    base, mixed, settings = loaded(), blended(KINDS), cached(4)
    collate = prepare(base, mixed, SETTINGS, cache=tmp_path)
    told: list[tuple[int, int]] = []
    stored = store_top_k(base, mixed, settings, collate, cache=tmp_path, progress=lambda *done: told.append(done))
    for index in (7, 0, 7):
        document = mixed.documents[REPLAY][index]
        asked = [place - 1 for place, label in enumerate(document.labels) if place and label != -100]
        logits = base.model(input_ids=torch.tensor([document.input_ids])).logits[0, asked].detach()
        likeliest, ids = torch.log_softmax(logits, -1).topk(4)
        found = stored.of([(REPLAY, 3), (REPLAY, index)])
        found = type(found)(*(column[-len(asked) :] for column in found))
        assert found.ids.sort().values.tolist() == ids.sort().values.tolist()
        torch.testing.assert_close(found.log_probabilities, likeliest, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(found.tail.exp(), 1 - likeliest.exp().sum(-1), rtol=1e-4, atol=1e-5)
    assert told[-1][0] == told[-1][1] == len(mixed.documents[REPLAY])


def test_it_is_written_once_for_all_runs_and_takes_the_bytes_that_were_foreseen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, mixed = loaded(), blended(KINDS)
    stored = prepare(base, mixed, cached(4), cache=tmp_path).top_k
    monkeypatch.setattr(type(base.model.base_model), "forward", lambda *a, **k: pytest.fail("this was written before"))
    monkeypatch.setattr("forgetless.training.prepare.check_head", lambda model: None)
    monkeypatch.setattr("forgetless.training.prepare.layout_of", lambda model: "packed")
    again = prepare(base, blended(KINDS, seed=9), cached(4, learning_rate=1e-5), cache=tmp_path).top_k
    assert stored is not None
    assert again is not None
    drawn = [(REPLAY, 3), (REPLAY, 1)]
    assert all(torch.equal(*pair) for pair in zip(stored(drawn).values(), again(drawn).values(), strict=True))
    tokens = sum(document.trained_tokens for document in mixed.documents[REPLAY])
    written = sum(np.load(path).nbytes for path in tmp_path.rglob("*.npy"))
    assert written == stored_bytes(tokens, 4, VOCABULARY)
    for other in (cached(5), cached(4, kl_tokens="all"), cached(4, precision="bfloat16")):
        with pytest.raises(pytest.fail.Exception):
            prepare(base, mixed, other, cache=tmp_path)


def test_full_fine_tuning_holds_no_reference_and_gives_the_base_back(tmp_path: Path) -> None:
    base, settings = loaded(), cached(8)
    before, seen = weights_hash(base.model), list[Any]()
    shape = base.model.get_input_embeddings().weight.shape

    def alike() -> set[int]:
        gc.collect()
        tensors = [x for x in gc.get_objects() if type(x) in (torch.Tensor, torch.nn.Parameter)]
        return {x.data_ptr() for x in tensors if x.shape == shape}

    others = alike()

    def look(model: PreTrainedModel, step: int, tokens: int) -> None:
        seen.append((len(alike() - others), {w.untyped_storage().data_ptr() for w in base.model.parameters()}))

    def asked(module: torch.nn.Module, *_: Any) -> None:
        if seen and module is base.model.base_model:
            seen.append("asked")

    base.model.base_model.register_forward_hook(asked)
    fit(base, blended(KINDS), **fit_arguments(settings, tmp_path / "run", on_evaluate=look))
    assert len(seen) == 3, "the base is not asked after the first look"
    for places, storages in seen:
        assert places <= 5, "the student's weight, its gradient, two moments, and the base's, on the disk"
        assert len(storages) == 1
    assert weights_hash(base.model) == before


def test_a_live_reference_stays_where_it_is(tmp_path: Path) -> None:
    base, places = loaded(), []
    fit(base, blended(), **fit_arguments(SETTINGS, tmp_path, on_evaluate=lambda *_: places.append(place(base.model))))
    assert set(places) == {place(base.model)}


def place(model: torch.nn.Module) -> int:
    return next(model.parameters()).data_ptr()


def test_a_trial_reads_only_what_it_draws_and_foresees_the_rest(tmp_path: Path) -> None:
    base, mixed = loaded(), blended(KINDS)
    trial = try_steps(base, mixed, settings=cached(4), seed=0)
    assert trial.reading_seconds > 0.0
    assert not (tmp_path / "cache").exists()
    assert try_steps(base, mixed, settings=SETTINGS, seed=0).reading_seconds == 0.0


def test_disk_for_it_is_foreseen() -> None:
    model, replay = tiny_model(), ReplaySettings(share=0.5, rows=10, max_new_tokens=6, max_prompt_tokens=4)
    assert reference_bytes(model, SETTINGS, replay, texts=False) == 0
    assert reference_bytes(model, cached(4), None, texts=False) == 0
    assert reference_bytes(model, cached(4), replay, texts=False) == 60 * (4 * (2 + 4) + 4)
    assert reference_bytes(model, cached(4), replay, texts=True) == 100 * (4 * (2 + 4) + 4)
    assert reference_bytes(model, cached(4, kl_tokens="all"), replay, texts=False) == 100 * (4 * (2 + 4) + 4)
    assert reference_bytes(model, cached(1000), replay, texts=False) == 60 * (VOCABULARY * (2 + 4) + 4)
    assert predicted_bytes(model, cached(4), evaluations=1) == predicted_bytes(model, SETTINGS, evaluations=1)


def test_two_runs_from_the_same_cache_are_the_same(tmp_path: Path) -> None:
    settings = cached(8)
    for name in ("first", "second"):
        fit(loaded(), blended(settings=settings), **fit_arguments(settings, tmp_path / name))
    first, second = (weights(tmp_path / name / "step-12") for name in ("first", "second"))
    assert all(torch.equal(first[name], second[name]) for name in first)
