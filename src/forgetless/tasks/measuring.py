"""A model, a task and items in; a score sheet out, measured at most once.

Sheets are addressed by content (the model's weights, the engine's settings, the task, the items), so the base model is
measured once for all runs, and a measurement that was killed goes on where it stood. Every item keeps its own result;
means are computed from them, never the other way round.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from forgetless.progress import Progress
from forgetless.records import Item, ItemResult, ScoreSheet
from forgetless.rundir import ScoreStore, content_hash
from forgetless.tasks.task import Task

if TYPE_CHECKING:
    from forgetless.engines import Engine

BLOCK_ITEMS = 512
"""Items measured between two writes to the store; a kill loses no more than that."""


def measure(
    engine: Engine, task: Task, items: Sequence[Item], *, store: ScoreStore, progress: Progress | None = None
) -> ScoreSheet:
    """Score a model on items, or find the scores where they were kept.

    Args:
        engine: Answers for the model; it names the model and its own settings by hashes.
        task: Scores the answers.
        items: Any items of the task, each once.
        store: Where sheets are kept.
        progress: Called with the items done and the items in all.

    Returns:
        One result for each item, in the order of `items`. A missing score is `None`.
    """
    known = store.get(_key(engine, task, items))
    if known is not None:
        return dataclasses.replace(known, task=task.name)
    if len(items) <= BLOCK_ITEMS:
        of_items = _of_items(progress, 0, len(items), len(items))
        return _measured(engine, task, items, _score(engine, task, items, of_items), store)
    results: list[ItemResult] = []
    for start in range(0, len(items), BLOCK_ITEMS):
        block = items[start : start + BLOCK_ITEMS]
        of_items = _of_items(progress, start, len(block), len(items))
        results += measure(engine, task, block, store=store, progress=of_items).results
    return _measured(engine, task, items, results, store)


def is_measured(engine: Engine, task: Task, items: Sequence[Item], *, store: ScoreStore) -> bool:
    """Whether `measure` would find the scores where they were kept."""
    return store.get(_key(engine, task, items)) is not None


def _key(engine: Engine, task: Task, items: Sequence[Item]) -> str:
    ids = [item.id for item in items]
    return content_hash("scores", engine.model_hash, engine.settings_hash, task.fingerprint, ids)


def _score(engine: Engine, task: Task, items: Sequence[Item], progress: Progress | None) -> list[ItemResult]:
    results = task.score(engine, items, progress) if items else []
    # An item without a result would silently change what the mean is a mean of.
    assert [result.item_id for result in results] == [item.id for item in items], "a scorer answers every item in order"
    return results


def _measured(
    engine: Engine, task: Task, items: Sequence[Item], results: Sequence[ItemResult], store: ScoreStore
) -> ScoreSheet:
    sheet = ScoreSheet(_key(engine, task, items), task.name, engine.model_hash, tuple(results))
    store.put(sheet)
    return sheet


def _of_items(progress: Progress | None, start: int, size: int, total: int) -> Progress | None:
    """Progress in items of the whole, from progress in whatever the scorer counts (each choice, say) within a block."""
    if progress is None:
        return None
    return lambda done, in_block: progress(start + size * done // max(in_block, 1), total)
