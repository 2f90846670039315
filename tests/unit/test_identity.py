"""What the manifest says of the base."""

from __future__ import annotations

from tiny_models import tiny_llama, tiny_tokenizer

from forgetless.models import LoadedModel
from forgetless.recipe import ModelSettings
from forgetless.stages import identity
from forgetless.tokens import ChatFormat


def told(**settings: object) -> dict[str, str]:
    origin = ModelSettings.model_validate({"path": "/models/tiny", **settings})
    return identity(LoadedModel(tiny_llama(), ChatFormat(tiny_tokenizer()), "hash", "tiny", origin))


def test_a_base_is_told_as_it_was_loaded() -> None:
    assert told() == {"base": "tiny", "base_hash": "hash", "dtype": "float32", "attention": "sdpa"}


def test_a_quantised_base_is_called_the_reference() -> None:
    assert "nf4" in told(quantization="nf4")["reference"]
    assert "not the base as published" in told(quantization="nf4")["reference"]
