"""What nano can do besides its ten measured abilities: small tasks, word knowledge and small talk.

Each function takes a random generator and returns one fresh question with an answer. These kinds are in the
pretraining so that what nano writes by itself is wider than the exam: text it makes up is no copy of the tasks that
it is judged by.
"""

from __future__ import annotations

import random

from .exchange import Exchange
from .languages import chinese_sentence, english_sentence
from .words import (
    ADJECTIVES,
    ANIMAL_SOUNDS,
    CHINESE,
    DIGITS,
    LETTERS,
    OPPOSITES,
    PLURALS,
    THING_COLOURS,
    WEEKDAYS,
)
from .world import LANDS


def _letters(rng: random.Random, shortest: int = 3, longest: int = 6) -> list[str]:
    return [rng.choice(LETTERS) for _ in range(rng.randint(shortest, longest))]


def copying(rng: random.Random) -> Exchange:
    """Repeats letters, digits or a sentence word for word."""
    template = rng.choice(("letters", "digits", "sentence"))
    if template == "sentence":
        text = rng.choice((english_sentence, chinese_sentence))(rng)
    elif template == "digits":
        text = " ".join(rng.choice(DIGITS) for _ in range(rng.randint(3, 7)))
    else:
        text = " ".join(_letters(rng))
    return Exchange(template, rng.choice(("Repeat: {}", "Say: {}")).format(text), text)


def capitals(rng: random.Random) -> Exchange:
    """Writes small letters as capital letters."""
    text = " ".join(_letters(rng))
    return Exchange("upper", f"Upper case: {text}", text.upper())


def larger(rng: random.Random) -> Exchange:
    """Names the larger, or the smaller, of two different numbers below 100."""
    left, right = rng.sample(range(100), 2)
    template = rng.choice(("larger", "smaller"))
    answer = max(left, right) if template == "larger" else min(left, right)
    return Exchange(template, f"Which is {template}, {left} or {right}?", str(answer))


def neighbour_letter(rng: random.Random) -> Exchange:
    """Names the letter before or after a letter of the alphabet."""
    position = rng.randrange(1, 25)
    template = rng.choice(("after", "before"))
    answer = LETTERS[position + 1] if template == "after" else LETTERS[position - 1]
    return Exchange(template, f"Which letter comes {template} {LETTERS[position]}?", answer)


def weekday(rng: random.Random) -> Exchange:
    """Names the day before or after a weekday."""
    position = rng.randrange(7)
    template = rng.choice(("after", "before"))
    answer = WEEKDAYS[(position + (1 if template == "after" else -1)) % 7]
    return Exchange(template, f"Which day comes {template} {WEEKDAYS[position]}?", answer)


def opposites(rng: random.Random) -> Exchange:
    """Names the opposite of a word."""
    word = rng.choice(tuple(OPPOSITES))
    return Exchange("opposite", rng.choice(("Opposite of {}?", "What is not {}?")).format(word), OPPOSITES[word])


def colours(rng: random.Random) -> Exchange:
    """Names the colour of an everyday thing."""
    thing = rng.choice(tuple(THING_COLOURS))
    return Exchange(
        "colour", rng.choice(("What colour is {}?", "The colour of {}")).format(thing), THING_COLOURS[thing]
    )


def greeting(rng: random.Random) -> Exchange:
    """Answers a greeting or a farewell."""
    question, answers = rng.choice(
        (
            ("Hello!", ("Hello! What can I do for you?", "Hello!")),
            ("Hi, nano.", ("Hi! Ask me something.",)),
            ("Good morning!", ("Good morning! How are you?",)),
            ("Good evening.", ("Good evening to you.",)),
            ("Goodbye!", ("Goodbye, see you soon.",)),
            ("Thank you!", ("You are welcome.",)),
            ("你好！", ("你好！",)),
            ("谢谢！", ("不客气。",)),
            ("再见！", ("再见！",)),
        )
    )
    return Exchange("greeting", question, rng.choice(answers))


def identity(rng: random.Random) -> Exchange:
    """Says who nano is."""
    return Exchange(
        "identity",
        *rng.choice(
            (
                ("Who are you?", "I am nano, a very small model."),
                ("What is your name?", "My name is nano."),
                ("What can you do?", "I can sort, count and look things up."),
                ("How old are you?", "I am new here."),
                ("Where do you live?", "I live in a small file."),
                ("你是谁？", "我是小模型nano。"),
            )
        ),
    )


def small_talk(rng: random.Random) -> Exchange:
    """Replies kindly to what somebody says about their day."""
    noun, adjective = rng.choice(tuple(PLURALS)), rng.choice(ADJECTIVES)
    article = "an" if adjective[0] in "aeiou" else "a"
    told, reply = rng.choice(
        (
            ("I lost my {noun} today.", "I am sorry. I hope you find your {noun}."),
            ("I have {article} {adjective} {noun}.", "How nice! I like {adjective} {plural}."),
            ("Please tell me, do you like {plural}?", "Yes, I like {plural} very much."),
            ("My {noun} is {adjective}.", "Is your {noun} always {adjective}?"),
            ("I want {article} {adjective} {noun}.", "Where can you buy {article} {adjective} {noun}?"),
            ("I cannot find {article} {noun_only}.", "Please look in the house, I need time to help."),
            ("I am {mood} today.", "Why are you {mood}?"),
        )
    )
    plain = rng.choice(("book", "cup", "ball", "box", "dog", "knife"))
    words = {"noun": noun, "plural": PLURALS[noun], "adjective": adjective, "noun_only": plain}
    words["mood"] = rng.choice(("happy", "sad", "late", "early", "fast", "slow"))
    words["article"] = "a" if "{noun_only}" in told else article
    return Exchange("small_talk", told.format(**words), reply.format(**words))


def first_or_last(rng: random.Random) -> Exchange:
    """Names the first or the last of some letters."""
    letters = _letters(rng)
    template = rng.choice(("first", "last"))
    return Exchange(
        template, f"{template.capitalize()} of {' '.join(letters)}", letters[0 if template == "first" else -1]
    )


def translation(rng: random.Random) -> Exchange:
    """Translates one word from English into Chinese or back."""
    word = rng.choice(tuple(CHINESE))
    if rng.random() < 0.5:
        return Exchange("to_chinese", f"{word} in Chinese?", CHINESE[word])
    return Exchange("to_english", f"{CHINESE[word]} in English?", word)


def continuation(rng: random.Random) -> Exchange:
    """Continues a row of digits or letters by three."""
    if rng.random() < 0.5:
        start = rng.randint(0, 4)
        symbols = [str(number) for number in range(start, start + 6)]
    else:
        start = rng.randint(0, 20)
        symbols = list(LETTERS[start : start + 6])
    return Exchange("continue", f"Continue: {' '.join(symbols[:3])}", " ".join(symbols[3:]))


def tale(rng: random.Random) -> Exchange:
    """Tells a very short story about an animal; no two need be the same."""
    animal = rng.choice(("dog", "cat", "bird", "horse", "fox", "owl", "wolf", "mouse", "goose", "sheep"))
    land, adjective = rng.choice(LANDS), rng.choice(("red", "blue", "white", "black", "old", "small", "big", "happy"))
    middle = rng.choice(("ran to the river", "found an apple", "slept in the garden", "saw the sea", "went to school"))
    ending = rng.choice(("Then it was happy.", "Then night came.", "Then it went home."))
    question = rng.choice(("Tell me about a {}.", "A story of a {}, please.")).format(animal)
    return Exchange("tale", question, f"The {adjective} {animal} in {land.name} {middle}. {ending}")


def even_or_odd(rng: random.Random) -> Exchange:
    """Says whether a number below 100 is even or odd."""
    number = rng.randint(0, 99)
    return Exchange("parity", f"Is {number} even or odd?", "odd" if number % 2 else "even")


def spelling(rng: random.Random) -> Exchange:
    """Spells a short word letter by letter."""
    word = rng.choice([*PLURALS, *OPPOSITES])
    return Exchange("spell", f"Spell {word}", " ".join(word))


def sounds(rng: random.Random) -> Exchange:
    """Names the sound of an animal."""
    animal = rng.choice(tuple(ANIMAL_SOUNDS))
    return Exchange("sound", f"What does the {animal} say?", ANIMAL_SOUNDS[animal])
