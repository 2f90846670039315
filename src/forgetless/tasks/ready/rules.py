"""Was the instruction followed? Rules on the form of an answer that a program can check without doubt.

An item's target is a JSON object of rules, such as `{"words": 3, "case": "upper"}`; a greedy answer scores 1 if all of
them hold, else 0. What the answer says is not judged, except by the rules that name it (`is`, `number`, `list`).
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from forgetless.progress import Progress
from forgetless.records import Item, ItemResult
from forgetless.rundir import content_hash
from forgetless.tasks.generation import generate
from forgetless.tasks.last_number import last_number
from forgetless.tasks.matching import parse_json
from forgetless.tasks.task import as_result
from forgetless.thoughts import answer_of

if TYPE_CHECKING:
    from forgetless.engines import Engine

_WORD: Final = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_HAN: Final = re.compile(r"[\u4e00-\u9fff]")
_LETTERS: Final = re.compile(r"[^\W\d_\u4e00-\u9fff]+")
_SEPARATOR: Final = re.compile(r"[,，、]")
_AROUND: Final = " \t\n\"'“”‘’「」`*.。!！?？"
_REVISION: Final = 2
"""Raised when a rule changes its meaning, so that no stored score of the old meaning is taken for a new one."""


@dataclass(frozen=True, slots=True)
class RuleScorer:
    """1 if the greedy answer keeps every rule of the item's target, else 0; an empty answer keeps none."""

    max_new_tokens: int

    @property
    def binary(self) -> bool:
        """Always: an instruction is followed or it is not."""
        return True

    @property
    def fingerprint(self) -> str:
        """A hash of the way of scoring and the length allowed."""
        return content_hash("rules", _REVISION, self.max_new_tokens)

    def score(self, engine: Engine, items: Sequence[Item], progress: Progress | None = None) -> list[ItemResult]:
        """One result for each item, with the answer as the model wrote it."""
        outputs = generate(engine, items, max_new_tokens=self.max_new_tokens, progress=progress)
        return [
            as_result(item, None) if output is None else as_result(item, float(follows(output, item.target)), output)
            for item, output in zip(items, outputs, strict=True)
        ]


def follows(output: str, rules: str) -> bool:
    """Whether an output, thoughts left aside, keeps all rules of a JSON object of rules."""
    text = unicodedata.normalize("NFKC", answer_of(output)).strip()
    wanted: Mapping[str, Any] = json.loads(rules)
    return bool(text) and all(RULES[name](text, value) for name, value in wanted.items())


def _bare(text: str) -> str:
    """The text without quotes and full stops around it, in one case."""
    return unicodedata.normalize("NFKC", text).strip(_AROUND).casefold()


def _count(text: str) -> int:
    """Words, or characters where the text is Chinese."""
    return len(_HAN.findall(text)) or len(_WORD.findall(text))


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _parts(text: str) -> list[str]:
    return [_bare(part) for part in _SEPARATOR.split(text) if _bare(part)]


def _has_keys(text: str, keys: Sequence[str]) -> bool:
    value = parse_json(text)
    return isinstance(value, dict) and set(value) == set(keys)


def _is_in_language(text: str, language: str) -> bool:
    """Chinese: more Chinese characters than words of letters. English: such words and no Chinese character."""
    han, words = len(_HAN.findall(text)), len(_LETTERS.findall(text))
    return han > words if language == "zh" else han == 0 < words


def _has_case(text: str, case: str) -> bool:
    return text.isupper() if case == "upper" else text.islower()


RULES: Final[Mapping[str, Callable[[str, Any], bool]]] = {
    "is": lambda text, wanted: _bare(text) == _bare(wanted),
    "number": lambda text, wanted: (found := last_number(text)) is not None and found.value * found.scale == wanted,
    "list": lambda text, wanted: _parts(text) == [_bare(part) for part in wanted],
    "list_of": lambda text, n: len(_parts(text)) == n and len(_lines(text)) == 1,
    "words": lambda text, n: _count(text) == n,
    "words_at_most": lambda text, n: 0 < _count(text) <= n,
    "lines": lambda text, n: len(_lines(text)) == n,
    "bullets": lambda text, n: sum(line.startswith(("- ", "* ", "• ")) for line in _lines(text)) == n,
    "json_keys": _has_keys,
    "case": _has_case,
    "contains": lambda text, wanted: wanted.casefold() in text.casefold(),
    "without": lambda text, unwanted: unwanted.casefold() not in text.casefold(),
    "starts": lambda text, wanted: text.casefold().startswith(wanted.casefold()),
    "ends": lambda text, wanted: text.rstrip(_AROUND).casefold().endswith(wanted.rstrip(_AROUND).casefold()),
    "wrapped": lambda text, marks: text.startswith(marks[0]) and text.endswith(marks[1]),
    "language": _is_in_language,
}
"""What each rule asks of an answer: called with the answer (NFKC, stripped) and the rule's value."""
