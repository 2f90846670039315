"""A model's output and a reference in, right or wrong out: four ways to compare them.

Whatever cannot be read is wrong, and so is an empty output under every way of matching.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from typing import Any, Literal

import regex

from forgetless.errors import TaskError
from forgetless.tasks.last_number import last_number

Match = Literal["exact", "number", "regex", "json"]
Matcher = Callable[[str, str], bool]
"""Called with the output and the reference."""

RULES = 3
"""Raised whenever an output may be judged otherwise than before: scores of the base are kept between versions."""

PATTERN_SECONDS = 2.0
"""The longest that a pattern may look at one output. Most take microseconds; nested repetitions can take for ever."""

_FENCE = re.compile(r"\A```[\w+-]*[ \t]*\n?(.*?)\n?```\Z", re.DOTALL)


def matcher(match: Match, *, pattern: str | None = None, field: str = "pattern") -> Matcher:
    """The comparison that a recipe asks for.

    Raises:
        TaskError: `pattern` is not a regular expression.
    """
    if match == "regex":
        return _regex_matcher(pattern or "", field)
    return {"exact": same_text, "number": same_number, "json": same_json}[match]


def check_reference(match: Match, reference: str, *, origin: str, field: str) -> str:
    """The reference itself, if an answer could ever match it.

    Raises:
        TaskError: It is empty, has no number for `number`, or is not JSON for `json`.
    """
    if match == "number":
        possible, rule = last_number(reference) is not None, "has no number in it"
    elif match == "json":
        possible, rule = parse_json(reference) is not _UNREADABLE, "is not JSON"
    else:
        possible, rule = bool(plain_text(reference)), "is empty"
    if not possible:
        raise TaskError(
            field=field,
            value=reference,
            rule=f"the answer of the record at {origin} {rule}, so nothing could match it by `match: {match}`",
            way_out="name the column with the answers, or compare in another way",
        )
    return reference


def plain_text(text: str) -> str:
    """Text in one Unicode form (NFKC), without white space around it."""
    return unicodedata.normalize("NFKC", text).strip()


def same_text(output: str, reference: str) -> bool:
    """Equal texts, but for their Unicode form and the white space around them."""
    return bool(plain_text(output)) and plain_text(output) == plain_text(reference)


def same_number(output: str, reference: str) -> bool:
    """The last number of the output equals the last number of the reference; see `Number.equals`."""
    number, wanted = last_number(output), last_number(reference)
    return number is not None and wanted is not None and number.equals(wanted)


def same_json(output: str, reference: str) -> bool:
    """Equal values, whatever the order of keys, the code fence around them, and the Unicode form of their texts."""
    value = parse_json(output)
    return value is not _UNREADABLE and _equal(value, parse_json(reference))


def _regex_matcher(pattern: str, field: str) -> Matcher:
    try:
        expression = regex.compile(pattern)
    except regex.error as error:
        raise TaskError(
            field=field,
            value=pattern,
            rule=f"is not a regular expression: {error}",
            way_out="mend the pattern; in YAML it is best written between single quotes",
        ) from None

    def found_text(output: str, reference: str) -> bool:
        """The first group of the first match, or the whole match, equals the reference.

        An output in which nothing matches is searched again with its characters of full width made narrow. One in
        which nothing is found in time has no answer.
        """
        try:
            found = expression.search(output, timeout=PATTERN_SECONDS) or expression.search(
                plain_text(output), timeout=PATTERN_SECONDS
            )
        except TimeoutError:
            return False
        if found is None:
            return False
        return same_text((found.group(1) if expression.groups else found.group()) or "", reference)

    return found_text


_UNREADABLE = object()


def without_fence(text: str) -> str:
    """The inside of a Markdown code fence that holds the whole text, else the text, without white space around it."""
    text = text.strip()
    fenced = _FENCE.match(text)
    return fenced[1].strip() if fenced else text


def parse_json(text: str) -> Any:
    """The value of a JSON text, or an object that equals nothing else when it is none."""
    try:
        return json.loads(without_fence(text), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return _UNREADABLE


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _equal(one: Any, two: Any) -> bool:
    # Python holds that True == 1, JSON does not.
    if isinstance(one, bool) or isinstance(two, bool):
        return one is two
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(_equal(value, two[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(map(_equal, one, two))
    if isinstance(one, str) and isinstance(two, str):
        return unicodedata.normalize("NFKC", one) == unicodedata.normalize("NFKC", two)
    return bool(one == two)
