"""A domain's answers in, the template that they share out, and a test of whether a text is written in it.

Fine-tuning on uniform answers teaches the form before the content: a model that has seen ten thousand intents as JSON
soon answers every question with an intent. To see that, one has to know the form. It is induced from the answers, as
the first of these that covers nine tenths of them: JSON objects with the same keys, the same opening or closing
words, the same heads of lines, a small closed set of answers, or one function call.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from forgetless.errors import TaskError
from forgetless.tasks.matching import parse_json, plain_text, without_fence

COVERAGE = 0.9
"""A template must cover this share of the answers."""

MIN_BYTES = 6
"""Fixed words must weigh this much in UTF-8 (two Chinese characters, say), or unrelated texts share them by chance."""

MIN_ANSWERS = 10
"""From fewer answers no form can be told from a coincidence."""

_LONGEST_OPENING = 200
_MOST_LABELS_PER_ANSWER = 0.1
_CALL = re.compile(r"[^\W\d]\w*(?:\.\w+)*\(")
_HEAD = re.compile(
    r"^[ \t]*(#{1,6} [^\n]{1,60}$|<\w{1,30}>|\*\*[^*\n]{1,40}\*\*[:：]?|[^\s:：][^:：\n]{0,39}[:：](?!//))",
    re.MULTILINE,
)


class Template(Protocol):
    """The form that a domain's answers share."""

    @property
    def description(self) -> str:
        """The form in words; equal descriptions are equal templates."""

    def matches(self, text: str) -> bool:
        """Whether a text, which may be cut off at its end, is written in this form."""


def induce_template(answers: Sequence[str], *, field: str = "template_leak") -> Template:
    """The form that at least nine tenths of the answers share.

    Args:
        answers: The domain's answers; at least ten.
        field: Where the task stands in the recipe, for errors.

    Raises:
        TaskError: The answers share no form, so nothing could leak.
    """
    texts = [text for text in map(plain_text, answers) if text]
    if len(texts) >= MIN_ANSWERS:
        for induce in _INDUCTIONS:
            template = induce(texts)
            if template is not None and coverage(template, texts) >= COVERAGE:
                return template
    raise TaskError(
        field=field,
        value=f"{len(texts):,} answers, such as {texts[0] if texts else '(none)'}",
        rule=f"the domain's answers share no template, so nothing could leak: of {MIN_ANSWERS} or more answers "
        f"{COVERAGE:.0%} must have the same JSON keys, fixed words or heads of lines, be one of a small set, or be "
        "one function call",
        way_out="remove this capability; keep one that measures the answers themselves",
    )


def coverage(template: Template, answers: Sequence[str]) -> float:
    """The share of answers that are written in a template."""
    return sum(template.matches(answer) for answer in answers) / len(answers)


@dataclass(frozen=True, slots=True)
class JsonKeys:
    """A JSON object that has these keys, whatever their values, in a fence or among other words."""

    keys: tuple[str, ...]

    @property
    def description(self) -> str:
        """The form in words."""
        return "a JSON object with " + ", ".join(json.dumps(key, ensure_ascii=False) for key in self.keys)

    def matches(self, text: str) -> bool:
        """Whether any object in the text has all keys, or is cut off having had no other than these."""
        wanted = set(self.keys)
        for opening in re.finditer(r"\{", text):
            seen, closed = object_keys(text, opening.end())
            if wanted <= seen or (seen and not closed and seen <= wanted):
                return True
        return False


@dataclass(frozen=True, slots=True)
class FixedText:
    """The same words at the start, at the end, or both."""

    prefix: str
    suffix: str

    @property
    def description(self) -> str:
        """The form in words."""
        parts = [f"begins with {self.prefix!r}"] * bool(self.prefix) + [f"ends with {self.suffix!r}"] * bool(
            self.suffix
        )
        return "text that " + " and ".join(parts)

    def matches(self, text: str) -> bool:
        """Whether the words are there. Where the opening says enough, a text cut off before its end matches by it."""
        text = plain_text(text)
        begins = text.startswith(self.prefix)
        if _weight(self.prefix) >= MIN_BYTES:
            return begins
        return begins and text.endswith(self.suffix) and len(text) >= len(self.prefix) + len(self.suffix)


@dataclass(frozen=True, slots=True)
class LineHeads:
    """Lines that begin with the same words in the same order: labels with a colon, headings, tags."""

    heads: tuple[str, ...]

    @property
    def description(self) -> str:
        """The form in words."""
        return "lines that begin with " + ", ".join(map(repr, self.heads))

    def matches(self, text: str) -> bool:
        """Whether the lines are there, or the first of them where the text may be cut off."""
        seen = [head for head in _heads(plain_text(text)) if head in self.heads]
        known = self.heads[: len(seen)]
        return tuple(seen[: len(known)]) == known and sum(map(_weight, known)) >= MIN_BYTES


@dataclass(frozen=True, slots=True)
class ClosedSet:
    """One of a few answers, word for word."""

    labels: tuple[str, ...]

    @property
    def description(self) -> str:
        """The form in words."""
        return f"exactly one of {len(self.labels)} answers: " + ", ".join(map(repr, self.labels))

    def matches(self, text: str) -> bool:
        """Whether the text is one of the answers; a full stop at its end is overlooked."""
        text = plain_text(text)
        return text in self.labels or text.rstrip(".。!") in self.labels


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """One function call as in a program, `name.of_it(...)`, and nothing around it."""

    @property
    def description(self) -> str:
        """The form in words."""
        return "one function call"

    def matches(self, text: str) -> bool:
        """Whether the text is a call that ends with its last bracket, or is cut off before that."""
        text = plain_text(text)
        opening = _CALL.match(text)
        if opening is None:
            return False
        depth = 1
        for position in range(opening.end(), len(text)):
            depth += (text[position] == "(") - (text[position] == ")")
            if depth == 0:
                return position == len(text) - 1
        return True


def object_keys(text: str, start: int) -> tuple[set[str], bool]:
    """The keys of a JSON object whose content begins at `start`, and whether the object is closed.

    Reads as far as the text goes, which may end anywhere; a key counts once its closing quote is there.
    """
    keys: set[str] = set()
    depth, key_next, position = 1, True, start
    while position < len(text):
        character = text[position]
        if character == '"':
            end = _end_of_string(text, position)
            if end is None:
                break
            if depth == 1 and key_next:
                keys.add(text[position + 1 : end - 1])
            key_next, position = False, end
            continue
        depth += (character in "{[") - (character in "}]")
        if depth == 0:
            return keys, True
        key_next = key_next or (character == "," and depth == 1)
        position += 1
    return keys, False


_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


def _end_of_string(text: str, start: int) -> int | None:
    found = _STRING.match(text, start)
    return found.end() if found else None


def _weight(text: str) -> int:
    return len(text.strip().encode("utf-8"))


def _needed(answers: Sequence[str]) -> float:
    return COVERAGE * len(answers)


def _induce_keys(answers: Sequence[str]) -> JsonKeys | None:
    objects = [_first_object(parse_json(answer)) for answer in answers]
    counts = Counter(key for found in objects for key in found)
    keys = [key for key, n in counts.most_common() if n >= _needed(answers)]
    while keys and sum(found.keys() >= set(keys) for found in objects) < _needed(answers):
        keys.pop()
    return JsonKeys(tuple(sorted(keys))) if keys else None


def _first_object(value: object) -> dict[str, object]:
    if isinstance(value, list) and value:
        value = value[0]
    return value if isinstance(value, dict) else {}


def _induce_text(answers: Sequence[str]) -> FixedText | None:
    prefix = _shared_start(answers, _needed(answers))
    if _weight(prefix) >= MIN_BYTES:
        return FixedText(prefix, "")
    suffix = _shared_end(answers, _needed(answers))
    if _weight(suffix) >= MIN_BYTES:
        return FixedText("", suffix)
    rest = [answer.removeprefix(prefix) for answer in answers if answer.startswith(prefix)]
    suffix = _shared_end(rest, _needed(answers))
    return FixedText(prefix, suffix) if _weight(prefix) + _weight(suffix) >= MIN_BYTES else None


def _shared_end(texts: Sequence[str], needed: float) -> str:
    """The longest ending that at least `needed` texts have in common."""
    return _shared_start([text[::-1] for text in texts], needed)[::-1]


def _shared_start(texts: Sequence[str], needed: float) -> str:
    """The longest opening that at least `needed` texts have in common."""
    survivors = list(texts)
    for n in range(_LONGEST_OPENING):
        counts = Counter(text[n] for text in survivors if len(text) > n)
        character, count = counts.most_common(1)[0] if counts else ("", 0)
        if not counts or count < needed:
            return survivors[0][:n]
        survivors = [text for text in survivors if len(text) > n and text[n] == character]
    return survivors[0][:_LONGEST_OPENING]


def _induce_heads(answers: Sequence[str]) -> LineHeads | None:
    found = [_heads(answer) for answer in answers]
    counts = Counter(head for heads in found for head in set(heads))
    shared = {head for head, n in counts.items() if n >= _needed(answers)}
    orders = Counter(tuple(head for head in heads if head in shared) for heads in found)
    heads = orders.most_common(1)[0][0]
    return LineHeads(heads) if sum(map(_weight, heads)) >= MIN_BYTES else None


def _heads(text: str) -> list[str]:
    return list(dict.fromkeys(head.strip() for head in _HEAD.findall(without_fence(text))))


def _induce_labels(answers: Sequence[str]) -> ClosedSet | None:
    labels = tuple(sorted(label for label, n in Counter(answers).items() if n > 1))
    return ClosedSet(labels) if labels and len(labels) <= _MOST_LABELS_PER_ANSWER * len(answers) else None


def _induce_call(answers: Sequence[str]) -> FunctionCall | None:
    call = FunctionCall()
    return call if sum(map(call.matches, answers)) >= _needed(answers) else None


_INDUCTIONS: tuple[Callable[[Sequence[str]], Template | None], ...] = (
    _induce_keys,
    _induce_text,
    _induce_heads,
    _induce_labels,
    _induce_call,
)
