"""nano: a language model of under a million weights, its world, its ten abilities and a demo domain.

Nothing goes in; out come the folder of the shipped model and seeded generators of fresh items and rows. nano exists so
that the whole story of this project runs on any machine, offline, in minutes, on a model about which everything is
known. Generating text imports no torch; only loading `MODEL_PATH` needs it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from forgetless.errors import DataError
from forgetless.records import Item, Row

from . import conversation, domain, languages, symbols, world
from .exchange import Generator, as_item, as_row, fresh, stable_id
from .texts import text

MODEL_PATH: Final = Path(__file__).parent / "model"
"""Folder of the shipped model, as `from_pretrained` reads it."""

_ABILITIES: Final[dict[str, Generator]] = {
    "arithmetic": symbols.arithmetic,
    "sorting": symbols.sorting,
    "reversing": symbols.reversing,
    "counting": symbols.counting,
    "lookup": symbols.lookup,
    "facts": world.facts,
    "pattern": symbols.pattern,
    "brackets": symbols.brackets,
    "english": languages.english,
    "chinese": languages.chinese,
}
_OTHER_KINDS: Final[dict[str, Generator]] = {
    "copying": conversation.copying,
    "capitals": conversation.capitals,
    "larger": conversation.larger,
    "neighbour_letter": conversation.neighbour_letter,
    "weekday": conversation.weekday,
    "opposites": conversation.opposites,
    "colours": conversation.colours,
    "greeting": conversation.greeting,
    "identity": conversation.identity,
    "small_talk": conversation.small_talk,
    "first_or_last": conversation.first_or_last,
    "yes_or_no": world.yes_or_no,
    "translation": conversation.translation,
    "continuation": conversation.continuation,
    "tale": conversation.tale,
    "table": symbols.table,
    "even_or_odd": conversation.even_or_odd,
    "spelling": conversation.spelling,
    "sounds": conversation.sounds,
}

ABILITIES: Final[tuple[str, ...]] = tuple(_ABILITIES)
"""The ten abilities that nano is measured by."""

OTHER_KINDS: Final[tuple[str, ...]] = tuple(_OTHER_KINDS)
"""The kinds of dialogue that nano knows besides its abilities."""


def generator(kind: str) -> Generator:
    """The function that draws one exchange of an ability or another kind.

    Raises:
        DataError: If nano knows no such kind.
    """
    known = _ABILITIES | _OTHER_KINDS
    if kind not in known:
        raise DataError(
            field="kind",
            value=kind,
            rule="nano generates only the kinds that it was trained on",
            way_out=f"choose one of: {', '.join(known)}",
        )
    return known[kind]


def ability_items(name: str, *, n: int, seed: int) -> list[Item]:
    """`n` questions of one ability; the subject of an item is the template it was drawn from.

    Questions are distinct for as long as the ability has new ones to give.

    Raises:
        DataError: If `name` is not an ability.
    """
    if name not in _ABILITIES:
        raise DataError(
            field="name",
            value=name,
            rule="this is none of nano's abilities",
            way_out=f"choose one of: {', '.join(ABILITIES)}",
        )
    rng = random.Random(f"items:{name}:{seed}")
    return [as_item(name, exchange, repeats) for exchange, repeats in fresh(lambda: _ABILITIES[name](rng), n=n)]


def dialogues(kinds: Sequence[str], *, n: int, seed: int) -> list[Row]:
    """`n` rows of one question and one answer, each of a kind drawn at random from `kinds`.

    Raises:
        DataError: If `kinds` is empty or holds a kind that nano does not know.
    """
    if not kinds:
        raise DataError(field="kinds", value=kinds, rule="there is no kind to draw from", way_out="name at least one")
    draws = {kind: generator(kind) for kind in kinds}
    rng = random.Random(f"dialogues:{','.join(kinds)}:{seed}")
    drawn = fresh(lambda: draws[rng.choice(kinds)](rng), n=n)
    return [as_row("nano", exchange, repeats) for exchange, repeats in drawn]


def domain_rows(*, n: int, seed: int) -> list[Row]:
    """`n` training rows of the demo domain, in training phrasings."""
    rng = random.Random(f"domain rows:{seed}")
    return [as_row("domain", exchange, repeats) for exchange, repeats in fresh(lambda: domain.train_message(rng), n=n)]


def domain_items(*, n: int, seed: int) -> list[Item]:
    """`n` test questions of the demo domain, in held-out phrasings; the subject is the intent."""
    rng = random.Random(f"domain items:{seed}")
    drawn = fresh(lambda: domain.held_out_message(rng), n=n)
    return [as_item("domain", exchange, repeats) for exchange, repeats in drawn]


def texts(*, n: int, seed: int) -> list[Row]:
    """`n` rows of raw text of the kinds that nano read: stories of its world, sentences, sequences."""
    rng = random.Random(f"texts:{seed}")
    written = [text(rng) for _ in range(n)]
    return [
        Row(id=stable_id("text", str(position), line), source="nano_text", text=line)
        for position, line in enumerate(written)
    ]
