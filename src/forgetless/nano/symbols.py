"""Abilities about symbols: numbers, letters, tables, rules and brackets.

Each function takes a random generator and returns one fresh question with its answer. Symbols are set apart by spaces,
so that one letter, digit or bracket is one token and a small model sees what the question is about.
"""

from __future__ import annotations

import random

from .exchange import Exchange
from .words import DIGITS, LETTERS

OPENING = "([{"
CLOSING = {"(": ")", "[": "]", "{": "}"}


def arithmetic(rng: random.Random) -> Exchange:
    """Adds two numbers below 50, or takes such a sum apart again."""
    left, right = rng.randint(0, 49), rng.randint(0, 49)
    if rng.random() < 0.5:
        wording = rng.choice(("What is {} + {}?", "{} + {} =", "Add {} and {}."))
        return Exchange("add", wording.format(left, right), str(left + right))
    wording = rng.choice(("What is {} - {}?", "{} - {} =", "From {} take {}."))
    return Exchange("subtract", wording.format(left + right, right), str(left))


def sorting(rng: random.Random) -> Exchange:
    """Puts three to five digits in rising or falling order."""
    digits = [rng.choice(DIGITS) for _ in range(rng.randint(3, 5))]
    template = rng.choice(("up", "down"))
    wordings = {"up": ("Sort: {}", "Sort {} upwards."), "down": ("Sort down: {}", "Sort {} downwards.")}
    question = rng.choice(wordings[template]).format(" ".join(digits))
    return Exchange(template, question, " ".join(sorted(digits, reverse=template == "down")))


def reversing(rng: random.Random) -> Exchange:
    """Writes three to five letters from the last to the first."""
    letters = [rng.choice(LETTERS) for _ in range(rng.randint(3, 5))]
    template = rng.choice(("Reverse: {}", "Write {} backwards."))
    return Exchange(template.split()[0].strip(":"), template.format(" ".join(letters)), " ".join(reversed(letters)))


def counting(rng: random.Random) -> Exchange:
    """Counts one letter among four to eight letters out of three."""
    letters = [rng.choice("abc") for _ in range(rng.randint(4, 8))]
    wanted = rng.choice("abc")
    template = rng.choice(("Count {} in {}", "How many {} in {}?"))
    return Exchange(template.split()[0], template.format(wanted, " ".join(letters)), str(letters.count(wanted)))


def lookup(rng: random.Random) -> Exchange:
    """Finds the letter in one row of a table of three to six numbered rows."""
    letters = rng.sample(LETTERS, rng.randint(3, 6))
    rows = " ".join(f"{number} {letter}" for number, letter in enumerate(letters, start=1))
    asked = rng.randrange(len(letters))
    template = rng.choice(("Table: {}. Row {}", "Rows: {}. Find {}"))
    return Exchange(template.split(":")[0], template.format(rows, asked + 1), letters[asked])


def table(rng: random.Random) -> Exchange:
    """Finds the digits that stand behind some letters of a table."""
    keys = rng.sample(LETTERS, rng.randint(2, 4))
    values = [rng.choice(DIGITS) for _ in keys]
    pairs = " ".join(f"{key} {value}" for key, value in zip(keys, values, strict=True))
    chosen = rng.sample(range(len(keys)), rng.randint(2, len(keys)))
    question = f"Table: {pairs}. List {' '.join(keys[i] for i in chosen)}"
    return Exchange("list", question, " ".join(f"{keys[i]} {values[i]}" for i in chosen))


_RULES = ("next", "upper", "twice", "marked")


def pattern(rng: random.Random) -> Exchange:
    """Continues a rule on letters that two or three examples show and no word names."""
    rule = rng.choice(_RULES)
    *shown, asked = rng.sample(LETTERS[1:-1], rng.choice((3, 4)))
    examples = ", ".join(f"{letter} > {_apply(rule, letter)}" for letter in shown)
    wording = rng.choice(("Rule: {}, {} >", "Go on: {}, {} >"))
    return Exchange(rule, wording.format(examples, asked), _apply(rule, asked))


def _apply(rule: str, letter: str) -> str:
    if rule == "next":
        return chr(ord(letter) + 1)
    if rule == "upper":
        return letter.upper()
    return f"{letter} {letter}" if rule == "twice" else f"{letter} z"


def brackets(rng: random.Random) -> Exchange:
    """Closes what one to four brackets of three kinds left open."""
    shown: list[str] = []
    open_now: list[str] = []
    length, depth = rng.randint(2, 7), rng.randint(1, 4)
    while len(shown) < length or not open_now:
        if open_now and (len(open_now) >= depth or rng.random() < 0.4):
            shown.append(CLOSING[open_now.pop()])
        else:
            open_now.append(rng.choice(OPENING))
            shown.append(open_now[-1])
    template = rng.choice(("Close: {}", "Finish: {}"))
    answer = " ".join(CLOSING[bracket] for bracket in reversed(open_now))
    return Exchange(template.split(":")[0], template.format(" ".join(shown)), answer)
