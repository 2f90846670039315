"""Abilities in two languages: a little English grammar and a little Chinese.

Each function takes a random generator and returns one fresh question with its answer. Irregular forms come from the
lists in `words`, so they have to be remembered; regular ones can be inferred.
"""

from __future__ import annotations

import random

from .exchange import Exchange
from .words import (
    ADJECTIVES,
    CHINESE_CLAUSES,
    CHINESE_PEOPLE,
    CHINESE_TIMES,
    FIRST_PERSONS,
    MEASURE_WORDS,
    NUMERALS,
    PLURALS,
    THIRD_PERSONS,
    VERBS,
    chinese_numeral,
)

VOWELS = "aeiou"


def english(rng: random.Random) -> Exchange:
    """Puts a sentence into the past or the future, changes its person, or makes a noun plural."""
    template = rng.choice(("past", "past", "person", "future", "plural", "plural"))
    if template == "plural":
        return _plural(rng)
    verb = rng.choice(VERBS)
    tail = rng.choice(verb.tails)
    if template == "person":
        return Exchange(template, f"Say it of her: I {verb.base} {tail}", f"she {verb.third} {tail}")
    third = rng.random() < 0.5
    subject = rng.choice(THIRD_PERSONS if third else FIRST_PERSONS)
    sentence = f"{subject} {verb.third if third else verb.base} {tail}"
    if template == "future":
        return Exchange(template, f"Future: {sentence}", f"{subject} will {verb.base} {tail}")
    return Exchange(template, f"Past: {sentence}", f"{subject} {verb.past} {tail}")


def _plural(rng: random.Random) -> Exchange:
    noun, adjective, number = rng.choice(tuple(PLURALS)), rng.choice(ADJECTIVES), rng.choice(NUMERALS)
    if rng.random() < 0.5:
        article = "an" if adjective[0] in VOWELS else "a"
        return Exchange("plural", f"Plural: {article} {adjective} {noun}", f"{adjective} {PLURALS[noun]}")
    return Exchange("plural", f"One {adjective} {noun}, {number}", f"{number} {adjective} {PLURALS[noun]}")


def chinese(rng: random.Random) -> Exchange:
    """Negates a sentence, makes it a question, finds a measure word, or reads and writes numerals."""
    template = rng.choice(("negation", "question", "measure", "read", "write"))
    if template in ("negation", "question"):
        return _clause(rng, template)
    number = rng.randint(1, 99)
    if template == "measure":
        noun = rng.choice(tuple(MEASURE_WORDS))
        numeral = "两" if number == 2 else chinese_numeral(number)
        return Exchange(template, f"量词：{numeral} {noun}", numeral + MEASURE_WORDS[noun] + noun)
    if template == "read":
        wording = rng.choice(("{}是几？", "数字：{}"))
        return Exchange(template, wording.format(chinese_numeral(number)), str(number))
    return Exchange(template, rng.choice(("{}怎么写？", "中文：{}")).format(number), chinese_numeral(number))


def _clause(rng: random.Random, template: str) -> Exchange:
    person, time = rng.choice(CHINESE_PEOPLE), rng.choice(CHINESE_TIMES)
    verb = rng.choice(tuple(CHINESE_CLAUSES))
    goods = rng.choice(CHINESE_CLAUSES[verb])
    statement = f"{time}{person}{verb}{goods}"
    if template == "question":
        return Exchange(template, f"提问：{statement}", f"{statement}吗？")
    return Exchange(template, f"否定：{statement}", f"{time}{person}{'没' if verb == '有' else '不'}{verb}{goods}")


def chinese_sentence(rng: random.Random) -> str:
    """One plain Chinese sentence, for running text."""
    verb = rng.choice(tuple(CHINESE_CLAUSES))
    goods = rng.choice(CHINESE_CLAUSES[verb])
    return f"{rng.choice(CHINESE_TIMES)}{rng.choice(CHINESE_PEOPLE)}{verb}{goods}。"


def english_sentence(rng: random.Random) -> str:
    """One plain English sentence, for running text."""
    verb = rng.choice(VERBS)
    subject, form = rng.choice(
        ((rng.choice(THIRD_PERSONS), verb.past), (rng.choice(FIRST_PERSONS), verb.base), ("she", verb.third))
    )
    sentence = f"{subject} {form} {rng.choice(verb.tails)}."
    return sentence[0].upper() + sentence[1:]
