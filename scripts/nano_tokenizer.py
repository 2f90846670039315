"""Trains nano's tokenizer: byte-level BPE with single digits, whole Chinese words and a chat template.

Lines of text go in, a `PreTrainedTokenizerFast` comes out. Digits never merge, so numbers are read digit by digit;
Chinese text is cut into the words of nano's lexicon first, so that a word has the same token wherever it stands.
"""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from forgetless.nano import words

PAD, BOS, SYSTEM, USER, ASSISTANT, END = SPECIAL_TOKENS = (
    "<|pad|>",
    "<|bos|>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|end|>",
)

CHAT_TEMPLATE = """\
{%- for message in messages -%}
  {%- if message['role'] == 'assistant' -%}
    {{- '<|assistant|>' -}}
    {%- generation -%}{{- message['content'] + '<|end|>' -}}{%- endgeneration -%}
  {%- elif message['role'] in ('system', 'user') -%}
    {{- '<|' + message['role'] + '|>' + message['content'] + '<|end|>' -}}
  {%- else -%}
    {{- raise_exception('nano knows the roles system, user and assistant, not ' + message['role']) -}}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}
"""

_PHRASES = ("量词", "提问", "否定", "数字", "中文", "怎么写", "是几", "你好", "谢谢", "不客气", "再见", "模型")


def _chinese_words() -> list[str]:
    found = {*_PHRASES, *words.CHINESE.values(), *words.CHINESE_PEOPLE, *words.CHINESE_TIMES}
    found |= {*words.CHINESE_CLAUSES, *words.MEASURE_WORDS}
    found |= {goods for clause in words.CHINESE_CLAUSES.values() for goods in clause}
    return sorted((word for word in found if len(word) > 1), key=lambda word: (-len(word), word))


def train_tokenizer(lines: Iterable[str], *, vocab_size: int, model_max_length: int) -> PreTrainedTokenizerFast:
    """A tokenizer of `vocab_size` entries, all bytes and the special tokens among them."""
    tokenizer = Tokenizer(models.BPE())
    pattern = "|".join(_chinese_words()) + r"|\p{Han}| ?\p{N}| ?[A-Za-z]+| ?[^\s\p{L}\p{N}]+|\s+|\p{L}+"
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(lines, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=END,
        additional_special_tokens=[SYSTEM, USER, ASSISTANT],
        chat_template=CHAT_TEMPLATE,
        model_max_length=model_max_length,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
