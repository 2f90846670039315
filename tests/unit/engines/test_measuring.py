"""A measurement in the middle of training leaves no trace, and a model writes prompts of its own."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from peft import PromptTuningConfig, TaskType, get_peft_model
from tiny_models import tiny_llama, tiny_tokenizer

from forgetless.engines import TransformersEngine, measuring
from forgetless.errors import ModelError
from forgetless.models import weights_hash
from forgetless.recipe import ReplaySettings
from forgetless.records import Message
from forgetless.sampling import Sampling
from forgetless.synthesis import write_prompts
from forgetless.tokens import ChatFormat

FORMAT = ChatFormat(tiny_tokenizer())
QUESTION = (Message("user", "hello"),)


def measure(model: torch.nn.Module) -> None:
    engine = TransformersEngine(model, FORMAT, model_hash="m")
    engine.generate([QUESTION] * 3, max_new_tokens=4, sampling=Sampling(1.0, seed=3))
    engine.answer_likelihoods([(QUESTION, "the cat"), (QUESTION, "dog")])


def trained(*, measured: bool, checkpointing: bool) -> str:
    model = tiny_llama()
    model.config.attention_dropout = 0.3
    for layer in model.model.layers:
        layer.self_attn.attention_dropout = 0.3
    model.train()
    model.config.use_cache = False
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(4):
        ids = torch.randint(3, 300, (2, 9)) + random.randint(0, 9) + int(np.random.randint(9))
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if measured and step == 1:
            measure(model)
    assert model.config.use_cache is False
    return weights_hash(model)


@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing_enable.*:FutureWarning")
@pytest.mark.parametrize("checkpointing", [False, True])
def test_training_is_bit_for_bit_the_same_with_a_measurement_in_the_middle(checkpointing: bool):
    without = trained(measured=False, checkpointing=checkpointing)
    assert trained(measured=True, checkpointing=checkpointing) == without


def test_each_modules_own_mode_comes_back():
    model = tiny_llama().train()
    model.model.layers[0].eval()
    modes = [module.training for module in model.modules()]
    with measuring(model):
        assert not any(module.training for module in model.modules())
        assert not torch.is_grad_enabled()
    assert [module.training for module in model.modules()] == modes
    assert torch.is_grad_enabled()


def test_states_come_back_after_a_failure():
    model = tiny_llama().train()
    before = torch.get_rng_state(), random.getstate()
    with pytest.raises(IndexError), measuring(model):
        model(input_ids=torch.randint(10**6, 10**7, (1, 3 + int(random.random()))))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert model.training


def talkative(closing_bonus: float) -> TransformersEngine:
    """A model that ends its turns the more readily the higher the bonus."""
    model = tiny_llama(4, tied=False)
    with torch.no_grad():
        model.model.norm.weight[0] = 0.0
        model.lm_head.weight[2] *= closing_bonus
    return TransformersEngine(model, FORMAT, model_hash="m")


def test_the_model_writes_prompts_and_leaves_those_without_an_end_empty():
    told: list[tuple[int, int]] = []
    engine = talkative(2.0)

    def write(seed: int) -> list[str]:
        return engine.write_prompts(
            [""] * 64, max_new_tokens=24, sampling=Sampling(1.0, 1.0, seed), progress=lambda *x: told.append(x)
        )

    first = write(1)
    assert len(first) == 64
    assert all(text == text.strip() for text in first)
    assert 0 < sum(map(bool, first)) < 64
    assert write(1) == first
    assert write(2) != first
    assert told[-1] == (64, 64)


def test_a_model_that_never_ends_a_users_turn_is_given_up_on():
    model = tiny_llama(4, tied=False)
    with torch.no_grad():
        model.lm_head.weight[2] = 0.0
    settings = ReplaySettings(share=0.5, max_prompt_tokens=2, temperature=0.1, top_p=0.5)
    with pytest.raises(ModelError, match="were whole"):
        write_prompts(TransformersEngine(model, FORMAT, model_hash="m"), 20, settings, seed=0)


def test_prompt_learning_is_refused_rather_than_ignored():
    model = get_peft_model(tiny_llama(), PromptTuningConfig(task_type=TaskType.CAUSAL_LM, num_virtual_tokens=2))
    with pytest.raises(ModelError, match="prompt learning"):
        TransformersEngine(model, FORMAT, model_hash="m")
