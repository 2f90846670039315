"""How far the base differs from itself when nothing but the shape of its batches changes (rule 6).

The base and the capabilities go in; out comes a bound of that difference for each. On most hardware the last bits of a
score depend on what else is in the batch, and greedy decoding can turn on a last bit. A drop within that noise is no
drop of the model, and a margin within it cannot be tested.
"""

from __future__ import annotations

from collections.abc import Sequence

from forgetless.engines import TransformersEngine
from forgetless.guard.capability import Capability
from forgetless.progress import Progresses, unwatched
from forgetless.records import Item, ItemResult
from forgetless.rundir import ScoreStore
from forgetless.tasks import Task, against, measure
from forgetless.verdicts import Terms, measure_noise

FIRST_ITEMS = 200
"""Dev items that are asked first where no look says how many; where no score moves on them, no more are."""


def measure_noises(
    base: TransformersEngine,
    capabilities: Sequence[Capability],
    *,
    dev_items: int | None,
    seed: int,
    store: ScoreStore,
    progress: Progresses = unwatched,
) -> dict[str, float]:
    """The noise of every capability, measured on dev items alone; sheets are kept like any other of the base.

    Where a score moves, more dev items are asked, up to half as many as the test part has, so that the bound is about
    as fine as the verdict.

    Args:
        base: Answers for the base.
        capabilities: What is to be kept.
        dev_items: The most dev items of a look; those are asked first.
        seed: Seeds fresh items.
        store: Where the base's score sheets are kept.
        progress: Told how far the measurements have come.

    Raises:
        TaskError: A margin lies within the noise.
    """
    found = {}
    for capability in capabilities:
        f = _noise(base, capability.task, dev_items, seed, store, progress)
        # Whatever the terms refuse is refused before anything is trained.
        Terms(capability.name, capability.margin, chance=capability.task.chance, noise=f)
        found[capability.name] = f
    return found


def first_items(task: Task, *, dev_items: int | None, seed: int) -> tuple[Item, ...]:
    """The dev items that are asked first: those of the first look of a fixed task."""
    return task.items("dev", limit=dev_items or FIRST_ITEMS, seed=seed * 1_000_003)


def in_other_batches(items: Sequence[Item]) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """Every second item, and the others: what stood side by side in a batch is apart."""
    return tuple(items[::2]), tuple(items[1::2])


def _noise(
    base: TransformersEngine,
    task: Task,
    dev_items: int | None,
    seed: int,
    store: ScoreStore,
    progress: Progresses,
) -> float:
    other, told = base.in_smaller_batches(), progress(f"base against itself: {task.name}")

    def moved(items: Sequence[Item]) -> float:
        once = measure(base, task, items, store=store, progress=told)
        again: list[ItemResult] = []
        for half in in_other_batches(items):
            again += measure(other, against(task, once), half, store=store, progress=told).results
        return measure_noise(once.results, again)

    items = first_items(task, dev_items=dev_items, seed=seed)
    f = moved(items)
    return f if f == 0.0 else moved(_more_items(task, items, seed))


def _more_items(task: Task, items: tuple[Item, ...], seed: int) -> tuple[Item, ...]:
    """The whole dev part of a fixed task; of a fresh one, further draws, until there is half a test part."""
    if not task.fresh:
        return task.items("dev", seed=seed)
    found = {item.id: item for item in items}
    draws = max(1, task.size("test") // 2) // max(1, len(items))
    for draw in range(1, draws):
        found |= {item.id: item for item in task.items("dev", limit=len(items), seed=seed * 1_000_003 - draw)}
    return tuple(found.values())
