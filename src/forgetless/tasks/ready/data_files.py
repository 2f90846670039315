"""The written parts of the ready sets: YAML files of this package in, tables of questions and lists of words out."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import yaml

from forgetless.nano.exchange import Exchange, as_item
from forgetless.records import Item

_FOLDER: Final = Path(__file__).parent / "data"
_WRONG_CHOICES: Final = 3

Language = Literal["en", "zh"]


@functools.cache
def read_data(name: str) -> Any:
    """What a data file holds, such as `topics`; not to be changed."""
    return yaml.safe_load((_FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))


def choice_items(prefix: str, files: tuple[str, ...], language: Language) -> list[Item]:
    """The questions of some files in one language, each with its choices; a question is its own statistical unit.

    A row `asked | answer | wrong | wrong` brings its wrong choices along; for a row without them three other answers
    of its table are drawn, the same ones on every machine.
    """
    tables = (table for name in files for table in read_data(name))
    return [as_item(prefix, exchange) for table in tables for exchange in _exchanges(table, language)]


def _exchanges(table: Mapping[str, str], language: Language) -> Iterator[Exchange]:
    key = "question" if language == "en" else "question_zh"
    if key not in table:
        return
    subject, rows = table["subject"], [cells for row in table["rows"].splitlines() if (cells := _cells(row, language))]
    answers = sorted({cells[1] for cells in rows})
    for asked, answer, *wrong in rows:
        rng = random.Random(f"{subject}:{asked}")
        wrong = wrong or rng.sample([a for a in answers if a != answer], _WRONG_CHOICES)
        choices = [answer, *wrong]
        yield Exchange(subject, table[key].format(asked), answer, tuple(rng.sample(choices, len(choices))))


def _cells(row: str, language: Language) -> list[str]:
    """The cells of a row in one language: English stands before `||`, Chinese after it."""
    english, _, chinese = row.partition("||")
    side = english if language == "en" else chinese
    return [cell.strip() for cell in side.split("|")] if side.strip() else []
