"""The text that nano is pretrained on: a stream of conversations and raw text, as weighted token rows.

A seed and a step go in, the rows of that step come out. A step depends on nothing else, so a resumed run reads on
exactly where it stopped. Every turn carries loss, because nano has to be able to write questions as well as answers;
a question weighs less, since most of it is chance.
"""

from __future__ import annotations

import random
from typing import NamedTuple

import numpy as np
from nano_tokenizer import ASSISTANT, BOS, END, SYSTEM, USER
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from forgetless import nano
from forgetless.nano import words
from forgetless.nano.texts import repetition, text

TWO_TURN_SHARE = 0.10
SYSTEM_SHARE = 0.06

ANSWER_WEIGHT, TEXT_WEIGHT, QUESTION_WEIGHT = 1.0, 0.5, 0.2


TEXT_SHARE = 0.06
REPETITION_SHARE = 0.03
ABILITY_SHARE = 0.68
"""Shares of raw text, repetitions and abilities among all rows; the rest are other kinds of dialogue."""

KIND_WEIGHTS = {
    "arithmetic": 5.0,
    "lookup": 2.5,
    "counting": 2.5,
    "sorting": 2.5,
    "reversing": 0.7,
    "pattern": 1.5,
    "facts": 1.0,
    "english": 1.0,
    "brackets": 2.5,
    "chinese": 0.7,
    "copying": 0.7,
    "table": 1.0,
    "larger": 1.5,
    "yes_or_no": 1.5,
}
"""How often a kind comes up next to the others of its group; 1 when not named."""

SYSTEM_MESSAGES = ("You are nano.", "Answer in few words.", "Be kind.", "You are a small model.", "用中文。")


class WeightedRow(NamedTuple):
    """Token ids and the weight of each token in the loss."""

    ids: NDArray[np.int64]
    weights: NDArray[np.float32]


def _kind(rng: random.Random) -> str:
    kinds = nano.ABILITIES if rng.random() < ABILITY_SHARE / (1 - TEXT_SHARE - REPETITION_SHARE) else nano.OTHER_KINDS
    return rng.choices(kinds, [KIND_WEIGHTS.get(kind, 1.0) for kind in kinds])[0]


def conversation(rng: random.Random) -> str:
    """One conversation or one raw text, with its special tokens written out."""
    share = rng.random()
    if share < TEXT_SHARE + REPETITION_SHARE:
        line = text(rng) if share < TEXT_SHARE else repetition(rng)
        return f"{BOS if rng.random() < 0.5 else ''}{line}{END}"
    parts = [f"{SYSTEM}{rng.choice(SYSTEM_MESSAGES)}{END}"] if rng.random() < SYSTEM_SHARE else []
    for _ in range(2 if rng.random() < TWO_TURN_SHARE else 1):
        exchange = nano.generator(_kind(rng))(rng)
        parts.append(f"{USER}{exchange.question}{END}{ASSISTANT}{exchange.answer}{END}")
    return "".join(parts)


def step_lines(seed: int, step: int, rows: int) -> list[str]:
    """The `rows` texts of one training step."""
    rng = random.Random(f"nano pretraining:{seed}:{step}")
    return [conversation(rng) for _ in range(rows)]


def weighted_rows(tokenizer: PreTrainedTokenizerFast, lines: list[str]) -> list[WeightedRow]:
    """The texts as token ids with loss weights: full on answers, less on raw text, least on questions."""
    assistant, end, user, system = tokenizer.convert_tokens_to_ids([ASSISTANT, END, USER, SYSTEM])
    rows = []
    for ids in tokenizer(lines, add_special_tokens=False)["input_ids"]:
        weight = QUESTION_WEIGHT if ids[0] in (user, system) else TEXT_WEIGHT
        weights = []
        for token in ids:
            weights.append(weight)
            if token == assistant:
                weight = ANSWER_WEIGHT
            elif token == end:
                weight = QUESTION_WEIGHT
        rows.append(WeightedRow(np.array(ids, dtype=np.int64), np.array(weights, dtype=np.float32)))
    return rows


def tokenizer_lines(seed: int, n: int) -> list[str]:
    """Texts to train the tokenizer on: the pretraining's own, and training messages of the demo domain.

    The domain's words are in the tokenizer so that its messages stay short; no domain message is in the pretraining.
    Symbols and Chinese words come again by themselves, so that even the rare ones become one token each.
    """
    lines = [line for step in range(n // 100) for line in step_lines(seed + 1, step, 100)]
    for row in nano.domain_rows(n=n // 4, seed=seed):
        lines.extend(message.content for message in row.messages)
    symbols = [
        f" {letter}" for letter in (*words.LETTERS, *(letter.upper() for letter in words.LETTERS), *words.DIGITS)
    ]
    lexicon = [*words.CHINESE.values(), *words.MEASURE_WORDS, *words.MEASURE_WORDS.values(), *words.CHINESE_CLAUSES]
    return lines + symbols * (n // 20) + lexicon * (n // 100)
