"""What the report says, in every language it speaks.

A `Phrase` is a key with values; `say` turns it into a sentence of one language. The sentences stand in one YAML file
for each language, so that a translator touches no code. Sentences that a run recorded in English are `Recorded`:
the known ones are translated by pattern, any other is shown as it stands.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final, Literal, TypeAlias, get_args

import yaml

Language = Literal["en", "zh"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)


@dataclass(frozen=True, slots=True)
class Phrase:
    """A sentence in no language yet: its key, and what goes into its gaps."""

    key: str
    values: tuple[tuple[str, Said], ...] = ()


@dataclass(frozen=True, slots=True)
class Recorded:
    """A sentence that a run wrote in English."""

    text: str


@dataclass(frozen=True, slots=True)
class Localised:
    """A text that somebody wrote in each language; English stands in for a missing one."""

    texts: Mapping[Language, str]


_WORDS: Final = ("reason", "capability", "capabilities")
_NAMES: Final = ("which", "names", "metric", "place")
_NUMBER: Final = r"[-+\d.,]+"

Said: TypeAlias = "str | Phrase | Recorded | Localised | tuple[Said, ...]"


def phrase(key: str, **values: Said | int) -> Phrase:
    """The phrase `key`; values may be phrases themselves, and a tuple is read out as a list."""
    return Phrase(key, tuple((name, str(v) if isinstance(v, int) else v) for name, v in values.items()))


def say(said: Said, language: Language) -> str:
    """The sentence in one language.

    Raises:
        KeyError: The language has no such phrase, or a gap of it is left open; a bug, not a user's mistake.
    """
    if isinstance(said, str):
        return said
    if isinstance(said, tuple):
        return sentences(language)["list.separator"].join(say(part, language) for part in said)
    if isinstance(said, Localised):
        return said.texts.get(language) or said.texts.get("en", "")
    if isinstance(said, Recorded):
        return said.text if language == "en" else _translate(said.text)
    return sentences(language)[said.key].format_map({name: say(value, language) for name, value in said.values})


@functools.cache
def sentences(language: Language) -> dict[str, str]:
    """All sentences of one language by key, gaps in braces."""
    return dict(_read(f"{language}.yaml"))


def _translate(text: str) -> str:
    for pattern, translation in _recorded():
        if match := pattern.fullmatch(text):
            gaps = {k: _translate(v) if k == "reason" else v for k, v in match.groupdict().items()}
            return translation.format_map(gaps)
    first, semicolon, rest = text.partition("; ")
    return f"{_translate(first)}；{_translate(rest)}" if semicolon else text


@functools.cache
def _recorded() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((_pattern(entry["en"]), entry["zh"]) for entry in _read("recorded.yaml"))


def _pattern(template: str) -> re.Pattern[str]:
    """A template's own text is matched literally, but for `points` and `files`, which may be one.

    A gap takes a number, any text where it stands for words, or any but a semicolon where it stands for names; a
    repeated gap takes the same text again.
    """
    parts, seen = [], set[str]()
    for position, part in enumerate(re.split(r"\{(\w+)\}", template)):
        if position % 2 == 0:
            parts.append(re.sub("(point|file)s", r"\1s?", re.escape(part)))
        else:
            text = ".+" if part in _WORDS else "[^;]+" if part in _NAMES else _NUMBER
            parts.append(f"(?P={part})" if part in seen else f"(?P<{part}>{text})")
            seen.add(part)
    return re.compile("".join(parts), re.DOTALL)


def _read(name: str) -> Any:
    return yaml.safe_load(files(__name__).joinpath(name).read_text(encoding="utf-8"))
