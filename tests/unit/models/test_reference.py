"""The base at hand while another model is trained: it says what the base says, and leaves no trace."""

from __future__ import annotations

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tiny_models import tiny_llama

from forgetless.errors import ModelError
from forgetless.models import AdapterOff, FrozenCopy, make_reference, weights_hash

BATCH = {
    "input_ids": torch.tensor([[5, 9, 40, 77, 3, 8]]),
    "position_ids": torch.tensor([[0, 1, 2, 0, 1, 2]]),
    "labels": torch.tensor([[-100, 9, 40, -100, 3, 8]]),
    "stream_ids": torch.tensor([[0, 0, 0, 1, 1, 1]]),
}


@torch.no_grad()
def base_hidden() -> torch.Tensor:
    base = tiny_llama()
    inputs = {name: BATCH[name] for name in ("input_ids", "position_ids")}
    return base.model(**inputs, use_cache=False).last_hidden_state


def adapted(**others: object):
    torch.manual_seed(0)
    config = LoraConfig(r=2, target_modules=["q_proj", "up_proj"], init_lora_weights=False, **others)
    return get_peft_model(tiny_llama(), config)


def test_the_frozen_copy_never_changes():
    model = tiny_llama().train()
    reference = make_reference(model, method="full")
    assert isinstance(reference, FrozenCopy)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    assert torch.equal(reference.forward(**BATCH), base_hidden())
    assert torch.equal(reference.head_weight, tiny_llama().lm_head.weight)
    assert not any(p.requires_grad for p in reference.model.parameters())
    assert model.training


def test_the_frozen_copy_of_a_patched_model_is_no_closure_over_it():
    model = tiny_llama()
    original = model.forward
    model.forward = lambda *args, **kwargs: original(*args, **kwargs)
    reference = FrozenCopy(model)
    with torch.no_grad():
        model.model.embed_tokens.weight.zero_()
    assert reference.model(BATCH["input_ids"]).logits.abs().max() > 0


def test_the_adapter_is_off_for_one_pass_and_on_again():
    model = adapted(lora_dropout=0.5).train()
    frozen = next(p for name, p in model.named_parameters() if "lora_A" in name)
    frozen.requires_grad_(False)
    gradients = {name: p.requires_grad for name, p in model.named_parameters()}
    modes = {name: m.training for name, m in model.named_modules()}
    before = weights_hash(model)
    reference = make_reference(model, method="lora")
    assert isinstance(reference, AdapterOff)
    hidden = reference.forward(**BATCH)
    assert torch.equal(hidden, base_hidden())
    assert not hidden.requires_grad
    assert {name: p.requires_grad for name, p in model.named_parameters()} == gradients
    assert {name: m.training for name, m in model.named_modules()} == modes
    assert weights_hash(model) == before
    with torch.no_grad():
        tuned = model.eval().get_base_model().model(BATCH["input_ids"]).last_hidden_state
    assert not torch.allclose(tuned, hidden, atol=1e-3)


def test_packed_documents_do_not_see_each_other():
    alone = FrozenCopy(tiny_llama()).forward(input_ids=BATCH["input_ids"][:, 3:])
    together = FrozenCopy(tiny_llama()).forward(**BATCH)[:, 3:]
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_an_adapter_that_was_off_stays_off():
    model = adapted()
    layer = next(m for m in model.modules() if hasattr(m, "_disable_adapters"))
    layer._disable_adapters = True
    AdapterOff(model).forward(**BATCH)
    assert layer._disable_adapters


def test_modules_trained_beside_the_adapter_are_off_too():
    model = adapted(modules_to_save=["norm"])
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "modules_to_save" in name:
                parameter.mul_(3.0)
    assert torch.equal(AdapterOff(model).forward(**BATCH), base_hidden())


def test_the_flags_are_put_back_after_a_failure():
    model = adapted().train()
    with pytest.raises(IndexError):
        AdapterOff(model).forward(input_ids=torch.tensor([[100_000]]))
    assert model.training
    assert not any(m._disable_adapters for m in model.modules() if hasattr(m, "_disable_adapters"))


def test_without_an_adapter_there_is_nothing_to_switch_off():
    with pytest.raises(ModelError, match="no adapter layers"):
        make_reference(tiny_llama(), method="lora")
