"""Raw text for nano to read: its world, plain sentences in two languages, and sequences.

A random generator goes in, a line of text comes out. Sequences that repeat themselves teach a model to look back in
what it has read, which the look-up of a table and the continuation of a pattern rest on.
"""

from __future__ import annotations

import random

from .languages import chinese_sentence, english_sentence
from .words import DIGITS, LETTERS, WEEKDAYS, chinese_numeral
from .world import story


def text(rng: random.Random) -> str:
    """One line of any kind."""
    return rng.choice((story, story, _sentences, _chinese_sentences, repetition, _sequence))(rng)


def repetition(rng: random.Random) -> str:
    """Letters with digits in random order that come round two or three times, in the same pairs."""
    keys = rng.sample(LETTERS, rng.randint(3, 6))
    pairs = [f"{key} {rng.choice(DIGITS)}" for key in keys]
    rounds = [" ".join(rng.sample(pairs, len(pairs))) for _ in range(rng.choice((2, 3)))]
    return " " + " . ".join(rounds)


def _sentences(rng: random.Random) -> str:
    return " ".join(english_sentence(rng) for _ in range(rng.choice((1, 2, 3))))


def _chinese_sentences(rng: random.Random) -> str:
    return "".join(chinese_sentence(rng) for _ in range(rng.choice((1, 2, 3))))


def _sequence(rng: random.Random) -> str:
    form = rng.choice(("letters", "digits", "weekdays", "numerals"))
    if form == "letters":
        start = rng.randrange(20)
        return " ".join(LETTERS[start : start + rng.randint(4, 8)])
    if form == "digits":
        return " ".join(DIGITS[rng.randrange(6) :])
    if form == "weekdays":
        start = rng.randrange(7)
        return ", ".join((WEEKDAYS + WEEKDAYS)[start : start + 4]) + "."
    start = rng.randrange(1, 90)
    return "，".join(chinese_numeral(number) for number in range(start, start + 4)) + "。"
