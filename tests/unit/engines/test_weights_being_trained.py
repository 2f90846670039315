"""A model answers the same to the last bit, whether or not its weights are being trained."""

from __future__ import annotations

import pytest

from forgetless import nano
from forgetless.engines import TransformersEngine
from forgetless.models import LoadedModel, load_folder


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return load_folder(nano.MODEL_PATH, dtype="float32", device="cpu")


def test_answers_do_not_depend_on_which_weights_are_trained(model: LoadedModel) -> None:
    rows = nano.domain_rows(n=12, seed=0)
    pairs = [(row.messages[:1], row.messages[1].content) for row in rows]

    def likelihoods() -> list[float]:
        engine = TransformersEngine(model.model, model.format, model_hash="nano", batch_tokens=4096)
        return [answer.log_likelihood for answer in engine.answer_likelihoods(pairs)]

    model.model.requires_grad_(True)
    trained = likelihoods()
    assert all(weight.requires_grad for weight in model.model.parameters())
    model.model.requires_grad_(False)
    assert likelihoods() == trained
    assert not any(weight.requires_grad for weight in model.model.parameters())
