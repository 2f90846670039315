"""The domain measured on its own rows: a share of them is held out of training by a hash of their prompts.

Domain rows go in; out come the rows to train on, the rows held out, and a task over the latter. The hash looks at the
prompt alone, so two answers to one question fall on the same side and the split does not depend on the order of rows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from forgetless.errors import TaskError
from forgetless.recipe import HeldOutTask
from forgetless.records import Item, Row
from forgetless.rundir import content_hash
from forgetless.sources import Rows, as_rows, last_answer
from forgetless.tasks.answer_probability import ProbabilityScorer
from forgetless.tasks.generation import GenerationScorer
from forgetless.tasks.items import question_group
from forgetless.tasks.matching import check_reference
from forgetless.tasks.pool import make_pool
from forgetless.tasks.task import FixedTask, Scorer


class HeldOutSplit(NamedTuple):
    """The domain rows to train on, and those to measure on."""

    train: Rows
    held_out: Rows


def held_out_split(rows: Iterable[Row], settings: HeldOutTask) -> HeldOutSplit:
    """Hold about `percent` of the prompts out, at most `max_items` of them.

    Rows without a question and an answer of its own (raw text) are always trained on.
    """
    rows = as_rows(rows)
    places = rows.places
    # One place is one prompt: those of a million prompts are equal by accident in one file of 20,000.
    chosen = np.unique(places[places < settings.percent / 100])[: settings.max_items]
    held = np.isin(places, chosen)
    return HeldOutSplit(rows.select(~held), rows.select(held))


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
        answered = bool(np.isfinite(as_rows(rows).places).any())
        raise TaskError(
            field=field,
            value=f"{settings.percent:g} percent of {len(rows):,} domain rows",
            rule="holds no row with a question and an answer out of training"
            + ("" if answered else ": the domain is raw text, which asks nothing"),
            way_out=("raise `percent`, give more rows, or " if answered else "")
            + "measure the domain by a task with files of its own",
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
