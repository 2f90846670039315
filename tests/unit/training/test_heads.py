"""Heads with factors and caps, and models that let packed documents see each other."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import (
    CohereConfig,
    CohereForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    GraniteConfig,
    GraniteForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    PreTrainedModel,
)

from forgetless.errors import ModelError
from forgetless.training import isolation
from forgetless.training.heads import OutputHead, check_head
from forgetless.training.isolation import Layout, documents_stay_apart, layout_of
from training_kit import VOCABULARY, tiny_model

SMALL: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
    "bos_token_id": 2,
    "eos_token_id": 1,
}


def gemma2() -> PreTrainedModel:
    return Gemma2ForCausalLM(Gemma2Config(**SMALL, head_dim=8, final_logit_softcapping=0.05))


def cohere() -> PreTrainedModel:
    return CohereForCausalLM(CohereConfig(**SMALL, logit_scale=0.25))


def granite() -> PreTrainedModel:
    return GraniteForCausalLM(GraniteConfig(**SMALL, logits_scaling=4.0))


@pytest.mark.parametrize("build", [tiny_model, gemma2, cohere, granite])
def test_known_heads_pass(build: Any) -> None:
    torch.manual_seed(0)
    check_head(build().eval())


def test_a_factor_that_is_not_known_is_refused() -> None:
    torch.manual_seed(0)
    model = tiny_model()
    model.lm_head.register_forward_hook(lambda module, args, out: out / 4.0)
    with pytest.raises(ModelError, match="linear map"):
        check_head(model)


def test_a_cap_that_is_forgotten_would_be_seen() -> None:
    torch.manual_seed(0)
    model = gemma2().eval()
    assert OutputHead.of(model).softcap == 0.05
    model.config.final_logit_softcapping = None
    hidden_cap = 0.05
    model.lm_head.register_forward_hook(lambda module, args, out: hidden_cap * torch.tanh(out / hidden_cap))
    with pytest.raises(ModelError):
        check_head(model)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("layout", ["packed", "flat"])
def test_attention_keeps_documents_apart(attention: str, layout: Layout) -> None:
    model = tiny_model()
    model.set_attn_implementation(attention)
    assert documents_stay_apart(model, layout)
    assert layout_of(model) == "packed"


def test_attention_of_another_family_keeps_documents_apart() -> None:
    torch.manual_seed(0)
    assert documents_stay_apart(GPT2LMHeadModel(GPT2Config(n_embd=16, n_layer=2, n_head=2, vocab_size=64)).eval())


def test_a_recurrent_model_lets_them_see_each_other_and_is_found_out() -> None:
    torch.manual_seed(0)
    config = MambaConfig(vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=2, state_size=4)
    try:
        apart = documents_stay_apart(MambaForCausalLM(config).eval())
    except TypeError:  # a backbone that does not know positions at all
        apart = False
    assert not apart


def test_a_model_that_leaks_gets_a_row_for_each_document() -> None:
    assert layout_of(leaking()) == "alone"


def test_flash_attention_gets_one_row_and_its_boundaries(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, Any]] = []
    model = tiny_model()
    model.model.layers[0].self_attn.register_forward_pre_hook(
        lambda module, args, kwargs: given.append(kwargs), with_kwargs=True
    )
    monkeypatch.setattr(isolation, "attention_of", lambda model: "flash_attention_2")
    assert layout_of(model) == "flat"
    assert all(arguments["position_ids"].shape[0] == 1 for arguments in given)
    assert all(arguments["cu_seq_lens_q"].tolist() == [0, 6, 12, 18, 24] for arguments in given)


def test_flash_attention_that_leaks_is_refused_loudly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "attention_of", lambda model: "flash_attention_2")
    with pytest.raises(ModelError, match="see each other") as caught:
        layout_of(leaking())
    assert "sdpa" in caught.value.way_out


def leaking() -> PreTrainedModel:
    """A model whose positions never start anew, as where a kernel does not look at them."""
    model = tiny_model()

    def forget_starts(module: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        count = kwargs["input_ids"].shape[1]
        return args, kwargs | {"position_ids": torch.arange(count)[None]}

    model.model.register_forward_pre_hook(forget_starts, with_kwargs=True)
    return model
