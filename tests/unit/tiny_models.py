"""Tiny random models and tokenizers, built in code in milliseconds, for the tests of every room that runs a model."""

from __future__ import annotations

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

CHATML = (
    "{% for m in messages %}{{ '<|start|>' + m['role'] + '\n' + m['content'] + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start|>assistant\n' }}{% endif %}"
)
CORPUS = (
    "the cat sat on the mat and the dog ran off",
    "Hello there, how are you? I am fine, thank you.",
    "what is 12 plus 30? it is 42.\n\n  def f(x):\n    return x",
    "system user assistant",
)


def tiny_tokenizer(
    template: str | None = CHATML, *, vocab_size: int = 320, pad_is_eos: bool = False
) -> PreTrainedTokenizerFast:
    """A byte-level BPE with GPT-2's way to cut words, so newlines and leading spaces merge as in the wild."""
    tokenizer = Tokenizer(models.BPE())
    cut = r"'s|'t| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(cut), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=["<|pad|>", "<|start|>", "<|end|>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*CORPUS, "\n \n  \n\n x"] * 4, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<|end|>" if pad_is_eos else "<|pad|>",
        eos_token="<|end|>",
        additional_special_tokens=["<|start|>"],
        chat_template=template,
        clean_up_tokenization_spaces=False,
    )


def tiny_llama(seed: int = 0, *, vocab_size: int = 320, tied: bool = True, window: int = 512) -> LlamaForCausalLM:
    """A random Llama of two layers; its weights are wide enough for answers to differ from prompt to prompt."""
    config = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=window,
        tie_word_embeddings=tied,
        eos_token_id=2,
        bos_token_id=1,
        pad_token_id=0,
        initializer_range=0.3,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return LlamaForCausalLM(config).eval()
