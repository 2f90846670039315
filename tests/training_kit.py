"""A model and a mixture small enough to train in a second, for the tests of the training room."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from forgetless.mixture import MixturePlan, MixtureStream, StreamSpec
from forgetless.models import LoadedModel
from forgetless.recipe import LoraSettings, TrainingSettings
from forgetless.records import StreamKind
from forgetless.tokens import ChatFormat, Encoded
from forgetless.training.blend import Blend

VOCABULARY = 64
TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|> {{ m.content }} <|end|> {% endfor %}"
    "{% if add_generation_prompt %}<|assistant|> {% endif %}"
)
SETTINGS = TrainingSettings(
    learning_rate=3e-3, batch_rows=3, max_length_tokens=32, kl_weight=0.7, warmup_steps=2, steps=12
)


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    special = ["<pad>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>"]
    vocabulary = {token: i for i, token in enumerate([*special, *(f"w{i}" for i in range(VOCABULARY - 5))])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="w0"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<|end|>")
    wrapped.add_special_tokens({"additional_special_tokens": special[2:]})
    wrapped.chat_template = TEMPLATE
    return wrapped


def tiny_model(seed: int = 0, **changes: Any) -> PreTrainedModel:
    settings = {
        "vocab_size": VOCABULARY,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "max_position_embeddings": 64,
        "pad_token_id": 0,
        "bos_token_id": None,
        "eos_token_id": 1,
        "tie_word_embeddings": True,
    }
    torch.manual_seed(seed)
    return LlamaForCausalLM(LlamaConfig(**{**settings, **changes})).eval()


def loaded(model: PreTrainedModel | None = None) -> LoadedModel:
    return LoadedModel(model or tiny_model(), ChatFormat(tiny_tokenizer()), "hash", "tiny")


class Documents(tuple[Encoded, ...]):
    """Documents that are there already, one of each row."""

    __slots__ = ()

    def numbers(self) -> Sequence[int]:
        return range(len(self))


def documents(count: int, *, seed: int, longest: int = 14) -> Documents:
    """Random documents of 3 to `longest` tokens whose second half is labelled."""
    draw = np.random.default_rng(seed)
    made = []
    for number in range(count):
        ids = [int(i) for i in draw.integers(5, VOCABULARY, int(draw.integers(3, longest + 1)))]
        answer = len(ids) // 2
        made.append(Encoded(ids, [-100] * answer + ids[answer:], f"row-{seed}-{number}", "source"))
    return Documents(made)


def blended(
    kinds: tuple[StreamKind, ...] = ("domain", "replay"),
    *,
    settings: TrainingSettings = SETTINGS,
    steps: int | None = None,
    seed: int = 3,
) -> Blend:
    held = [documents(20, seed=index) for index in range(len(kinds))]
    names = [kind if kind not in kinds[:index] else f"{kind}/{index}" for index, kind in enumerate(kinds)]
    specs = [
        StreamSpec.known(
            names[index],
            kind,
            1.0 / len(kinds),
            np.array([len(d.input_ids) for d in stream], dtype=np.int64),
            f"documents {index}",
        )
        for index, (kind, stream) in enumerate(zip(kinds, held, strict=True))
    ]
    stream = MixtureStream(specs, seed=seed, bin_tokens=settings.max_length_tokens, bins_per_batch=settings.batch_rows)
    return Blend(MixturePlan(steps or settings.steps or 0, 0, 0, ()), stream, tuple(held), {})


def fit_arguments(settings: TrainingSettings, output: Path, **changes: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "settings": settings,
        "output": output,
        "every_steps": 4,
        "on_evaluate": lambda model, step, tokens: None,
        "seed": 5,
    }
    return {**plain, **changes}


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """The weights in a checkpoint, whole or an adapter."""
    from safetensors.torch import load_file

    return load_file(next(folder.glob("*model.safetensors")))


def with_lora(settings: TrainingSettings, dropout: float = 0.2) -> TrainingSettings:
    lora = LoraSettings(rank=4, dropout=dropout)
    return settings.model_copy(update={"method": "lora", "lora": lora})
