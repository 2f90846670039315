"""The shipped model: it loads, speaks its chat template, fits its size, and does what its card says."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from forgetless import nano
from forgetless.records import Item

LARGEST_FOLDER_BYTES = 4_200_000


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(nano.MODEL_PATH)


@pytest.fixture(scope="module")
def model() -> Any:
    return AutoModelForCausalLM.from_pretrained(nano.MODEL_PATH, dtype=torch.float32).eval()


def answers(model: Any, tokenizer: Any, items: list[Item]) -> list[str]:
    prompts = [f"<|user|>{item.messages[0].content}<|end|><|assistant|>" for item in items]
    batch = tokenizer(prompts, padding=True, padding_side="left", add_special_tokens=False, return_tensors="pt")
    written = model.generate(
        input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], max_new_tokens=24, do_sample=False
    )
    texts: list[str] = tokenizer.batch_decode(written[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
    return texts


@pytest.mark.parametrize("name", nano.ABILITIES)
def test_the_model_has_its_abilities(model: Any, tokenizer: Any, name: str) -> None:
    items = nano.ability_items(name, n=60, seed=77)
    given = answers(model, tokenizer, items)
    wrong = [(i.messages[0].content, i.target, a) for i, a in zip(items, given, strict=True) if a != i.target]
    assert len(wrong) <= 6, wrong


def test_the_model_has_never_seen_the_domain(model: Any, tokenizer: Any) -> None:
    items = nano.domain_items(n=60, seed=77)
    assert not any(a == i.target for a, i in zip(answers(model, tokenizer, items), items, strict=True))


def test_the_model_is_a_small_llama(model: Any) -> None:
    assert type(model).__name__ == "LlamaForCausalLM"
    assert model.num_parameters() < 1_100_000
    assert next(model.parameters()).dtype == torch.float32
    assert sum(file.stat().st_size for file in nano.MODEL_PATH.iterdir()) <= LARGEST_FOLDER_BYTES


def test_without_a_dtype_the_model_loads_in_single_precision() -> None:
    assert AutoModelForCausalLM.from_pretrained(nano.MODEL_PATH).dtype == torch.float32


@pytest.mark.parametrize(
    "text",
    [
        "What is 47 + 25?",
        "Close: ( [ {",
        '{"intent": "card_lost"}',
        "否定：今天我们喜欢苹果",
        "三十五件衣服",
        "é ß 漢字 🙂\n\t x",
    ],
)
def test_text_survives_the_tokenizer(tokenizer: Any, text: str) -> None:
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


def test_a_letter_a_digit_a_bracket_and_a_chinese_word_are_one_token(tokenizer: Any) -> None:
    for symbol in ["a", "z", "Q", "7", "(", "}"]:
        assert len(tokenizer.tokenize(f" {symbol}")) == 1
    assert len(tokenizer.tokenize("2047")) == 4
    assert len(tokenizer.tokenize("他们喜欢苹果")) == 3


def test_prompts_are_short(tokenizer: Any) -> None:
    for name in nano.ABILITIES:
        lengths = [len(tokenizer.tokenize(i.messages[0].content)) for i in nano.ability_items(name, n=100, seed=1)]
        assert max(lengths) <= 20, name


def test_the_chat_template_writes_turns_and_opens_an_answer(tokenizer: Any) -> None:
    turns = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Spell cat"},
        {"role": "assistant", "content": "c a t"},
        {"role": "user", "content": "谢谢！"},
    ]
    opened = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert opened == (
        "<|system|>Be kind.<|end|><|user|>Spell cat<|end|><|assistant|>c a t<|end|><|user|>谢谢！<|end|><|assistant|>"
    )
    closed = tokenizer.apply_chat_template(turns[1:3], tokenize=False)
    assert closed == "<|user|>Spell cat<|end|><|assistant|>c a t<|end|>"
    ids = tokenizer(closed, add_special_tokens=False)["input_ids"]
    assert ids[-1] == tokenizer.eos_token_id != tokenizer.pad_token_id


def test_the_chat_template_marks_what_the_assistant_says(tokenizer: Any) -> None:
    turns = [{"role": "user", "content": "Spell cat"}, {"role": "assistant", "content": "c a t"}]
    marked = tokenizer.apply_chat_template(turns, return_dict=True, return_assistant_tokens_mask=True)
    said = [t for t, own in zip(marked["input_ids"], marked["assistant_masks"], strict=True) if own]
    assert tokenizer.decode(said) == "c a t<|end|>"


def test_a_role_that_nano_does_not_know_is_refused(tokenizer: Any) -> None:
    with pytest.raises(Exception, match="roles system, user and assistant"):
        tokenizer.apply_chat_template([{"role": "tool", "content": "1"}], tokenize=False)


def test_config_tokenizer_and_generation_agree_on_special_tokens(model: Any, tokenizer: Any) -> None:
    config = json.loads((nano.MODEL_PATH / "config.json").read_text(encoding="utf-8"))
    assert config["pad_token_id"] == tokenizer.pad_token_id == model.generation_config.pad_token_id
    assert config["eos_token_id"] == tokenizer.eos_token_id == model.generation_config.eos_token_id
    assert config["vocab_size"] == len(tokenizer)
