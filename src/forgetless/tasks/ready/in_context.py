"""Learning within the prompt: invented words, invented rules and patterns that only the examples explain.

A random generator goes in, a fresh question with four choices comes out. Nothing here can be known beforehand: the
words are made up anew for every question, so what is measured is whether the model reads its examples. Choices are
written like the examples, with what was asked in front (`dax -> red`), so that small models can show it too.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Final

from forgetless.nano.exchange import Exchange, Generator

_ONSETS: Final = ("b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z", "bl", "dr", "fl", "kr", "tr")
_VOWELS: Final = ("a", "e", "i", "o", "u")
_CODAS: Final = ("b", "d", "g", "k", "l", "m", "n", "p", "t", "x", "ck", "ft", "sh")
_COLOURS: Final = ("red", "blue", "green", "white", "black", "yellow", "brown", "purple")
_GROUPS: Final = (
    ("apple", "pear", "plum", "banana", "cherry", "grape", "melon"),
    ("dog", "cat", "horse", "cow", "tiger", "mouse", "sheep"),
    ("hammer", "saw", "drill", "axe", "chisel", "pliers", "shovel"),
    ("shirt", "jacket", "scarf", "trousers", "glove", "hat", "sock"),
    ("rain", "snow", "wind", "fog", "hail", "thunder", "sunshine"),
    ("piano", "violin", "flute", "drum", "trumpet", "guitar", "harp"),
)


def question(rng: random.Random) -> Exchange:
    """One question that its own examples explain."""
    return rng.choice(QUESTIONS)(rng)


def invented_words(rng: random.Random, n: int) -> list[str]:
    """`n` different words that mean nothing, of one or two syllables."""
    words: dict[str, None] = {}
    while len(words) < n:
        syllables = [rng.choice(_ONSETS) + rng.choice(_VOWELS) for _ in range(rng.choice((1, 2)))]
        words.setdefault("".join(syllables) + rng.choice(_CODAS))
    return list(words)


def _choice(rng: random.Random, template: str, text: str, answer: str, wrong: Iterable[str]) -> Exchange:
    others = [choice for choice in dict.fromkeys(wrong) if choice != answer]
    choices = [answer, *others[:3]]
    return Exchange(template, text, answer, tuple(rng.sample(choices, len(choices))))


def _look_up(rng: random.Random) -> Exchange:
    words, colours = invented_words(rng, rng.randint(4, 6)), rng.sample(_COLOURS, 6)
    table = dict(zip(words, colours, strict=False))
    asked = rng.choice(words)
    facts = {colour: f"The {asked} is {colour}." for colour in table.values()}
    text = f"{' '.join(f'The {word} is {colour}.' for word, colour in table.items())} What colour is the {asked}?"
    return _choice(rng, "look_up", text, facts[table[asked]], rng.sample(list(facts.values()), len(facts)))


def _chinese_look_up(rng: random.Random) -> Exchange:
    words = invented_words(rng, 4)
    table = dict(zip(words, rng.sample(("红色", "蓝色", "绿色", "白色", "黑色", "黄色"), 4), strict=True))
    asked = rng.choice(words)
    text = f"{''.join(f'{word}是{colour}的。' for word, colour in table.items())}{asked}是什么颜色的？"
    choices = {colour: f"{asked}是{colour}的。" for colour in table.values()}
    return _choice(rng, "zh_look_up", text, choices[table[asked]], choices.values())


def _two_steps(rng: random.Random) -> Exchange:
    words = invented_words(rng, 8)
    owners, things, colours = words[:4], words[4:], rng.sample(_COLOURS, 4)
    asked = rng.randrange(4)
    has = [f"{o.capitalize()} has the {t}." for o, t in zip(owners, things, strict=True)]
    facts = has + [f"The {t} is {c}." for t, c in zip(things, colours, strict=True)]
    rng.shuffle(facts)
    owner = owners[asked].capitalize()
    choices = [f"The thing that {owner} has is {colour}." for colour in colours]
    text = f"{' '.join(facts)} What colour is the thing that {owner} has?"
    return _choice(rng, "two_steps", text, choices[asked], choices)


def _labels(rng: random.Random) -> Exchange:
    """Words of four groups, each group under an invented label; a new word is to be labelled."""
    groups, labels = rng.sample(_GROUPS, 4), invented_words(rng, 4)
    shown = [(word, label) for g, label in zip(groups, labels, strict=True) for word in rng.sample(g, 2)]
    rng.shuffle(shown)
    asked = rng.randrange(4)
    new = rng.choice([word for word in groups[asked] if word not in dict(shown)])
    lines = [f"{word} -> {label}" for word, label in shown]
    choices = [f"{new} -> {label}" for label in labels]
    return _choice(rng, "labels", "\n".join([*lines, f"{new} ->"]), choices[asked], choices)


# All keep about the length of the word: likelihoods of choices of very different lengths cannot be compared.
_CHANGES: Final[tuple[tuple[str, Callable[[str], str]], ...]] = (
    ("reverse", lambda word: word[::-1]),
    ("upper", str.upper),
    ("without_first", lambda word: word[1:]),
    ("first_to_end", lambda word: word[1:] + word[0]),
    ("suffix", lambda word: f"{word}oz"),
    ("prefix", lambda word: f"mi{word}"),
    ("last_to_front", lambda word: word[-1] + word[:-1]),
)


def _change(rng: random.Random) -> Exchange:
    """A change of letters that three or four examples show."""
    (name, change), *others = rng.sample(_CHANGES, len(_CHANGES))
    *shown, asked = invented_words(rng, rng.choice((4, 5)))
    lines = [f"{word} -> {change(word)}" for word in shown]
    wrong = (f"{asked} -> {other(asked)}" for _, other in others)
    return _choice(rng, name, "\n".join([*lines, f"{asked} ->"]), f"{asked} -> {change(asked)}", wrong)


def _number_rule(rng: random.Random) -> Exchange:
    """A rule on numbers under an invented name."""
    word = invented_words(rng, 1)[0]
    by = rng.randint(2, 6)
    name, rule = rng.choice(
        (("plus", lambda n: n + by), ("times", lambda n: n * by), ("times_plus_1", lambda n: n * by + 1))
    )
    *shown, asked = rng.sample(range(2, 20), 4)
    examples = ", ".join(f"{word}({n}) = {rule(n)}" for n in shown)
    right = rule(asked)
    call = f"{word}({asked}) ="
    wrong = [f"{call} {n}" for n in (asked + by, asked * by, right + 1, right - 1, right + 2)]
    return _choice(rng, name, f"{examples}, {call}", f"{call} {right}", wrong)


def _cycle(rng: random.Random) -> Exchange:
    """A sequence of invented words that comes round."""
    words = invented_words(rng, rng.choice((3, 4)))
    length = rng.randint(2 * len(words), 3 * len(words) - 1)
    shown = [words[i % len(words)] for i in range(length)]
    last, right = shown[-1], words[length % len(words)]
    wrong = [f"{last} {word}" for word in (*words, *invented_words(rng, 3))]
    return _choice(rng, "cycle", f"Continue: {' '.join(shown)}", f"{last} {right}", wrong)


def _definition(rng: random.Random) -> Exchange:
    """Four invented verbs are explained; one is used."""
    verbs, names = invented_words(rng, 4), ("sings", "sleeps", "runs", "swims", "laughs", "reads")
    meanings = rng.sample(names, 4)
    explained = "; ".join(f"to {v} means that one {m}" for v, m in zip(verbs, meanings, strict=True))
    asked = rng.randrange(4)
    verb = verbs[asked]
    choices = [f"To {verb} means that one {meaning}." for meaning in meanings]
    text = f"In this game {explained}. What does it mean to {verb}?"
    return _choice(rng, "definition", text, choices[asked], choices)


QUESTIONS: Final[tuple[Generator, ...]] = (
    *(_look_up, _chinese_look_up, _two_steps, _labels, _labels, _change, _change, _number_rule, _cycle, _definition),
)
