"""A model, a task and items in; a score sheet out, measured at most once.

Sheets are addressed by content (the model's weights, the engine's settings, the task, the items), so the base model is
measured once for all runs, and a measurement that was killed goes on where it stood. Every item keeps its own result;
means are computed from them, never the other way round.

A list may be asked whole, or in its `blocks`, one after the other and as many as a verdict takes. Either finds what the
other has left: a block its part of the whole list, and the whole list the blocks that were asked.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from forgetless.progress import Progress
from forgetless.records import Item, ItemResult, ScoreSheet
from forgetless.rundir import ScoreStore, content_hash
from forgetless.tasks.task import Task

if TYPE_CHECKING:
    from forgetless.engines import Engine

BLOCK_ITEMS = 512
"""Items measured between two writes to the store; a kill loses no more than that."""

_BLOCKS = 12


def block_items(items: int) -> int:
    """Items of a list between two decisions of a verdict that asks no more of them than it takes."""
    return max(items // _BLOCKS, 50)


def blocks(items: Sequence[Item]) -> Iterator[tuple[Item, ...]]:
    """The items in their random order, in blocks of about `block_items` that keep each group whole."""
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(item.group or item.id, []).append(item)
    size = block_items(len(items))
    block: list[Item] = []
    for group in groups.values():
        block += group
        if len(block) >= size:
            yield tuple(block)
            block = []
    if block:
        yield tuple(block)


def measure(
    engine: Engine,
    task: Task,
    items: Sequence[Item],
    *,
    store: ScoreStore,
    within: Sequence[Item] = (),
    progress: Progress | None = None,
) -> ScoreSheet:
    """Score a model on items, or find the scores where they were kept.

    Args:
        engine: Answers for the model; it names the model and its own settings by hashes.
        task: Scores the answers.
        items: Any items of the task, each once.
        store: Where sheets are kept.
        within: The list that these items are a block of, which may have been measured as a whole.
        progress: Called with the items done and the items in all.

    Returns:
        One result for each item, in the order of `items`. A missing score is `None`.
    """
    known = kept_sheet(engine, task, items, store=store, within=within)
    if known is not None:
        return known
    found = _in_blocks(engine, task, items, store)
    rest = [item for item in items if item.id not in found]
    if not found and len(items) <= BLOCK_ITEMS:
        of_items = _of_items(progress, 0, len(items), len(items))
        return _measured(engine, task, items, _score(engine, task, items, of_items), store)
    for start in range(0, len(rest), BLOCK_ITEMS):
        block = rest[start : start + BLOCK_ITEMS]
        of_items = _of_items(progress, len(items) - len(rest) + start, len(block), len(items))
        found |= _by_item(measure(engine, task, block, store=store, progress=of_items))
    return _measured(engine, task, items, [found[item.id] for item in items], store)


def kept_sheet(
    engine: Engine, task: Task, items: Sequence[Item], *, store: ScoreStore, within: Sequence[Item] = ()
) -> ScoreSheet | None:
    """The sheet of these items where it was kept, by itself or in that of the list `within`; nothing is asked."""
    key = _key(engine, task, items)
    sheet = store.get(key)
    if sheet is not None:
        return dataclasses.replace(sheet, task=task.name)
    whole = store.get(_key(engine, task, within)) if within else None
    if whole is None:
        return None
    found = _by_item(whole)
    return ScoreSheet(key, task.name, engine.model_hash, tuple(found[item.id] for item in items))


def is_measured(engine: Engine, task: Task, items: Sequence[Item], *, store: ScoreStore) -> bool:
    """Whether `measure` would find the scores where they were kept."""
    return kept_sheet(engine, task, items, store=store) is not None


def _in_blocks(engine: Engine, task: Task, items: Sequence[Item], store: ScoreStore) -> dict[str, ItemResult]:
    """Results of the first blocks, as many as were asked."""
    found: dict[str, ItemResult] = {}
    for block in blocks(items):
        sheet = store.get(_key(engine, task, block))
        if sheet is None:
            break
        found |= _by_item(sheet)
    return found


def _by_item(sheet: ScoreSheet) -> dict[str, ItemResult]:
    return {result.item_id: result for result in sheet.results}


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
