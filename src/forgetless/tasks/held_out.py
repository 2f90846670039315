"""The domain measured on its own rows: a share of them is held out of training by a hash of their prompts.

Domain rows go in; out come the rows to train on, the rows held out, and a task over the latter. The hash looks at the
prompt alone, so two answers to one question fall on the same side and the split does not depend on the order of rows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from forgetless.errors import TaskError
from forgetless.recipe import HeldOutTask
from forgetless.records import Item, Row
from forgetless.rundir import content_hash
from forgetless.sources import prompt_key
from forgetless.tasks.answer_probability import ProbabilityScorer
from forgetless.tasks.generation import GenerationScorer
from forgetless.tasks.items import question_group
from forgetless.tasks.matching import check_reference
from forgetless.tasks.pool import make_pool
from forgetless.tasks.task import FixedTask, Scorer
from forgetless.thoughts import answer_of


class HeldOutSplit(NamedTuple):
    """The domain rows to train on, and those to measure on."""

    train: tuple[Row, ...]
    held_out: tuple[Row, ...]


def held_out_split(rows: Sequence[Row], settings: HeldOutTask) -> HeldOutSplit:
    """Hold about `percent` of the prompts out, at most `max_items` of them.

    Rows without a question and an answer of its own (raw text) are always trained on.
    """
    places = {key: _place(key) for key in {prompt_key(row.messages) for row in rows if last_answer(row) is not None}}
    held = sorted((key for key, place in places.items() if place < settings.percent / 100), key=places.__getitem__)
    chosen = set(held[: settings.max_items])
    train: list[Row] = []
    held_out: list[Row] = []
    for row in rows:
        is_held = last_answer(row) is not None and prompt_key(row.messages) in chosen
        (held_out if is_held else train).append(row)
    return HeldOutSplit(tuple(train), tuple(held_out))


def _place(key: str) -> float:
    digest = blake2b(f"held out:{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def last_answer(row: Row) -> str | None:
    """What the assistant says last in a row, thoughts left aside; `None` if it says nothing or nothing is asked."""
    for i in range(len(row.messages) - 1, 0, -1):
        if row.messages[i].role == "assistant":
            asked = any(message.role == "user" for message in row.messages[:i])
            said = answer_of(row.messages[i].content)
            return said if asked and said.strip() else None
    return None


def held_out_task(name: str, settings: HeldOutTask, *, rows: Sequence[Row], field: str, seed: int) -> FixedTask:
    """Build the task over the rows that `held_out_split` holds out of all domain rows.

    Args:
        name: The name of the task.
        settings: How much to hold out, and how to score it.
        rows: All rows of the domain, before the split.
        field: Where the task stands in the recipe, for errors.
        seed: Fixes the order of the items.

    Raises:
        TaskError: Too few rows are held out, or an answer that could never be matched.
    """
    held_out = held_out_split(rows, settings).held_out
    if not held_out:
        raise TaskError(
            field=field,
            value=f"{settings.percent:g} percent of {len(rows):,} domain rows",
            rule="holds no row with a question and an answer out of training",
            way_out="raise `percent`, give more rows, or measure the domain by a task with files of its own",
        )
    pool = make_pool([_item(row, settings, field) for row in held_out], field=f"{field}.percent", seed=seed)
    return FixedTask(name, pool, _scorer(settings))


def _scorer(settings: HeldOutTask) -> Scorer:
    if settings.score == "answer_probability":
        return ProbabilityScorer()
    return GenerationScorer(settings.score, settings.max_new_tokens)


def _item(row: Row, settings: HeldOutTask, field: str) -> Item:
    target = last_answer(row) or ""
    if settings.score != "answer_probability":
        check_reference(settings.score, target, origin=row.origin or row.id, field=f"{field}.score")
    last = max(i for i, message in enumerate(row.messages) if message.role == "assistant")
    messages = tuple(dataclasses.replace(message, trained=False) for message in row.messages[:last])
    identifier = content_hash(messages, target, ())[:16]
    return Item(id=identifier, messages=messages, target=target, group=question_group(messages))
