"""Small programs to read: what do they print, and which line is missing?

A random generator goes in, a fresh question with four different choices comes out. What a program prints is computed
from the values that were drawn; the wrong choices are what it would print after a usual mistake (one step too many,
the other branch, the list before it was changed).
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from forgetless.nano.exchange import Exchange, Generator
from forgetless.tasks.ready.data_files import read_data

WORDS: Final = ("planet", "garden", "window", "silver", "button", "castle", "orange", "thunder", "market", "pocket")
KEYS: Final = ("red", "blue", "green", "north", "south", "left", "right", "up", "down")


def program(rng: random.Random) -> Exchange:
    """One question about one small program."""
    return rng.choice(PROGRAMS)(rng)


def _prints(rng: random.Random, template: str, code: str, answer: Any, wrong: Iterable[Any]) -> Exchange:
    """Ask what a program prints; values that no mistake gave are filled up by others near the answer."""
    # What prints nothing cannot be a choice: there would be nothing to score.
    choices = dict.fromkeys(text for text in map(str, (answer, *wrong)) if text)
    near = (f"{value}" for value in range(answer + 1, answer + 9)) if isinstance(answer, int) else ("None", "0", "1")
    for value in near:
        if len(choices) >= 4:
            break
        choices.setdefault(value)
    return _choice(rng, template, f"What does this Python code print?\n\n{code}", list(choices)[:4])


def _choice(rng: random.Random, template: str, question: str, choices: list[str]) -> Exchange:
    """A question whose first choice is the right one, in random order."""
    return Exchange(template, question, choices[0], tuple(rng.sample(choices, len(choices))))


def _loop(rng: random.Random) -> Exchange:
    first, last = rng.randint(0, 4), rng.randint(5, 9)
    code = f"total = 0\nfor i in range({first}, {last}):\n    total += i\nprint(total)"
    inside = range(first, last)
    return _prints(rng, "loop", code, sum(inside), (sum(inside) + last, sum(inside) - first - 1, len(inside)))


def _slice(rng: random.Random) -> Exchange:
    word = rng.choice(WORDS)
    first, last = rng.randint(0, 2), rng.randint(3, 5)
    wrong = (word[first : last + 1], word[first + 1 : last + 1], word[first + 1 : last])
    return _prints(rng, "slice", f'word = "{word}"\nprint(word[{first}:{last}])', word[first:last], wrong)


def _index(rng: random.Random) -> Exchange:
    numbers = rng.sample(range(1, 20), 5)
    place = rng.choice((-2, -1, 1, 2, 3))
    others = [number for number in numbers if number != numbers[place]]
    return _prints(rng, "index", f"items = {numbers}\nprint(items[{place}])", numbers[place], rng.sample(others, 3))


def _list_change(rng: random.Random) -> Exchange:
    numbers = rng.sample(range(1, 10), 3)
    new = rng.randint(10, 19)
    if rng.random() < 0.5:
        code = f"items = {numbers}\nitems.append({new})\nitems.pop(0)\nprint(items)"
        after = [*numbers[1:], new]
        wrong = ([*numbers, new], [*numbers[:2], new], numbers[1:])
    else:
        code = f"items = {numbers}\nitems.insert(1, {new})\nprint(items)"
        after = [numbers[0], new, *numbers[1:]]
        wrong = ([new, *numbers], [*numbers, new], [*numbers[:2], new, numbers[2]])
    return _prints(rng, "list", code, after, wrong)


def _string_method(rng: random.Random) -> Exchange:
    word = rng.choice(WORDS)
    old = rng.choice(word)
    method, answer = rng.choice(
        (
            ("upper()", word.upper()),
            (f'replace("{old}", "x")', word.replace(old, "x")),
            (f'split("{old}")[0] + "!"', word.split(old)[0] + "!"),
            ("capitalize()", word.capitalize()),
        )
    )
    wrong = (word, word.upper(), word.capitalize(), word.replace(old, ""), word[::-1])
    return _prints(rng, "string", f'print("{word}".{method})', answer, wrong)


def _length(rng: random.Random) -> Exchange:
    words = rng.sample(WORDS, rng.randint(2, 4))
    code = f"words = {words}\nprint(len(words), len(words[0]))".replace("'", '"')
    count, length = len(words), len(words[0])
    wrong = (f"{length} {count}", f"{count} {length + 1}", f"{count - 1} {length}")
    return _prints(rng, "length", code, f"{count} {length}", wrong)


def _dictionary(rng: random.Random) -> Exchange:
    names, values = rng.sample(KEYS, 3), rng.sample(range(2, 20), 3)
    added = rng.randint(1, 9)
    table = "{" + ", ".join(f'"{k}": {v}' for k, v in zip(names, values, strict=True)) + "}"
    asked = rng.randrange(3)
    code = f'd = {table}\nd["{names[asked]}"] += {added}\nprint(d["{names[asked]}"])'
    wrong = (values[asked], added, values[(asked + 1) % 3])
    return _prints(rng, "dictionary", code, values[asked] + added, wrong)


def _branch(rng: random.Random) -> Exchange:
    limit, value = rng.randint(5, 15), rng.randint(1, 20)
    high, middle, low = rng.sample(KEYS, 3)
    code = (
        f"x = {value}\nif x > {limit}:\n    print('{high}')\nelif x % 2 == 0:\n    print('{middle}')\n"
        f"else:\n    print('{low}')"
    )
    answer = high if value > limit else middle if value % 2 == 0 else low
    wrong = [*(word for word in (high, middle, low) if word != answer), "nothing"]
    return _prints(rng, "branch", code, answer, wrong)


def _comprehension(rng: random.Random) -> Exchange:
    numbers = rng.sample(range(1, 13), 5)
    factor, divisor = rng.randint(2, 3), rng.choice((2, 3))
    code = f"items = {numbers}\nprint([n * {factor} for n in items if n % {divisor} == 0])"
    kept = [n * factor for n in numbers if n % divisor == 0]
    wrong = (
        [n * factor for n in numbers],
        [n for n in numbers if n % divisor == 0],
        [n * factor for n in numbers if n % divisor],
        numbers,
    )
    return _prints(rng, "comprehension", code, kept, wrong)


def _while(rng: random.Random) -> Exchange:
    number, divisor = rng.randint(20, 99), rng.choice((2, 3))
    steps, n = 0, number
    while n > 1:
        n //= divisor
        steps += 1
    code = f"n = {number}\nsteps = 0\nwhile n > 1:\n    n //= {divisor}\n    steps += 1\nprint(steps)"
    return _prints(rng, "while", code, steps, (steps - 1, steps + 1, number // divisor))


def _function(rng: random.Random) -> Exchange:
    default, given, factor = rng.randint(2, 9), rng.randint(2, 9), rng.randint(2, 5)
    code = f"def f(a, b={default}):\n    return a * {factor} + b\n\nprint(f({given}))"
    answer = given * factor + default
    return _prints(rng, "function", code, answer, (given * factor, given + default, default * factor + given))


def _sorting(rng: random.Random) -> Exchange:
    numbers = rng.sample(range(1, 30), 4)
    if rng.random() < 0.5:
        code, answer = f"print(sorted({numbers})[1])", sorted(numbers)[1]
        return _prints(rng, "sorted", code, answer, [n for n in numbers if n != answer])
    answer = max(numbers) - min(numbers)
    code = f"items = {numbers}\nprint(max(items) - min(items))"
    return _prints(rng, "extremes", code, answer, (max(numbers), min(numbers), abs(numbers[0] - numbers[-1])))


def _division(rng: random.Random) -> Exchange:
    number, divisor = rng.randint(20, 99), rng.randint(3, 9)
    quotient, rest = divmod(number, divisor)
    if rng.random() < 0.5:
        return _prints(rng, "modulo", f"print({number} % {divisor})", rest, (quotient, rest + 1, divisor))
    return _prints(rng, "quotient", f"print({number} // {divisor})", quotient, (quotient + 1, rest, divisor))


def _aliases(rng: random.Random) -> Exchange:
    first, second, new = rng.sample(range(1, 20), 3)
    copied = rng.random() < 0.5
    right = "list(a)" if copied else "a"
    code = f"a = [{first}, {second}]\nb = {right}\nb.append({new})\nprint(len(a), len(b))"
    return _prints(rng, "aliases", code, "2 3" if copied else "3 3", ("2 3", "3 3", "2 2", "3 2"))


_NAMES: Final = {
    "XS": ("items", "numbers", "values", "data", "entries"),
    "X": ("x", "item", "value", "n"),
    "S": ("text", "word", "name", "line"),
    "D": ("d", "table", "prices", "ages"),
    "PATH": ("path", "file_name", "source"),
}
_PLACE: Final = re.compile(r"\b(XS|X|S|D|PATH)\b")


def _renamed(text: str, names: Mapping[str, str]) -> str:
    """The text with its capital place-holders replaced by names."""
    return _PLACE.sub(lambda found: names[found[1]], text)


def _missing_line(rng: random.Random) -> Exchange:
    """A short piece of code without one of its lines, under names that are drawn anew."""
    snippet = rng.choice(read_data("missing_lines"))
    names = {place: rng.choice(known) for place, known in _NAMES.items()}
    code, *lines = (_renamed(text, names) for text in (snippet["code"].rstrip(), *snippet["lines"]))
    question = f"Which code belongs in the place of the dots?\n\n{code}"
    return _choice(rng, "missing_line", question, lines)


PROGRAMS: Final[tuple[Generator, ...]] = (
    *(_loop, _slice, _index, _list_change, _string_method, _length, _dictionary, _branch, _comprehension),
    *(_while, _function, _sorting, _division, _aliases),
    *(_missing_line,) * 6,
)
"""The kinds of question; the missing line, which small models can tell, is more frequent."""
