"""One question and its answer: the noun that every generator of nano hands out.

A generator takes a `random.Random` and returns an `Exchange`; this module turns exchanges into the project's items
and rows, and draws as many distinct ones as asked for. Ids are hashes of the content, so they are stable across runs.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

from forgetless.records import Item, Message, Row

ATTEMPTS_PER_DRAW = 50
"""Draws before a repetition is accepted: a small world runs out of new questions, and then it repeats itself."""


class Exchange(NamedTuple):
    """A question, the right answer, and the name of the template it was drawn from; all choices where it has some."""

    template: str
    question: str
    answer: str
    choices: tuple[str, ...] = ()


Generator = Callable[[random.Random], Exchange]


def stable_id(prefix: str, *parts: str) -> str:
    """`prefix-` and twelve hexadecimal digits that depend on the content alone."""
    digest = hashlib.blake2b("\x1f".join(parts).encode("utf-8"), digest_size=6).hexdigest()
    return f"{prefix}-{digest}"


def fresh(draw: Callable[[], Exchange], *, n: int) -> Iterator[tuple[Exchange, int]]:
    """Yields `n` exchanges with distinct questions for as long as `draw` can make new ones.

    Each comes with the number of earlier exchanges that asked the same question, 0 for a new question.
    """
    seen: dict[str, int] = {}
    for _ in range(n):
        exchange = draw()
        for _ in range(ATTEMPTS_PER_DRAW):
            if exchange.question not in seen:
                break
            exchange = draw()
        repeats = seen.get(exchange.question, 0)
        seen[exchange.question] = repeats + 1
        yield exchange, repeats


def as_item(prefix: str, exchange: Exchange, repeats: int = 0) -> Item:
    """The exchange as one question of a task; it is its own statistical unit."""
    item_id = _numbered(stable_id(prefix, exchange.question, exchange.answer, *exchange.choices), repeats)
    return Item(
        id=item_id,
        messages=(Message("user", exchange.question),),
        target=exchange.answer,
        choices=exchange.choices,
        group=item_id,
        subject=exchange.template,
    )


def as_row(source: str, exchange: Exchange, repeats: int = 0) -> Row:
    """The exchange as one training row, with the loss on the answer."""
    row_id = _numbered(stable_id(source, exchange.question, exchange.answer), repeats)
    answer = Message("assistant", exchange.answer, trained=True)
    return Row(id=row_id, source=source, messages=(Message("user", exchange.question), answer))


def _numbered(identifier: str, repeats: int) -> str:
    return f"{identifier}-{repeats}" if repeats else identifier
