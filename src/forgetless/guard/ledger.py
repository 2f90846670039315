"""How often a test part has been looked at, over all runs of one user (rule 17).

A test part loses its worth when many models of one lineage are judged on it and the luckiest is shown. The ledger is
one append-only file; a look is written down before it is taken, so a killed run cannot look for free.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from filelock import FileLock

from forgetless.recipe import EvaluationSettings
from forgetless.rundir import cache_folder, content_hash, disk_errors
from forgetless.tasks import Task
from forgetless.verdicts import alpha_of_look


def level_of_look(settings: EvaluationSettings, look: int) -> float:
    """Rule 17. The one-sided level of look r = 1, 2, …: α, or what a strict recipe lets this look spend of it."""
    return alpha_of_look(settings.alpha, look) if settings.strict else settings.alpha


def part_hash(task: Task) -> str:
    """Names the test part of a fixed task by its items, whatever their order and the task's name."""
    return content_hash(sorted(item.id for item in task.items("test")))


def next_look(tasks: Iterable[Task], *, base_hash: str) -> int:
    """The number of the next look at the test parts of the fixed tasks, if another model takes it; nothing is written.

    Raises:
        RunFolderError: The cache folder cannot be read.
    """
    path = cache_folder() / "ledger.jsonl"
    with disk_errors(path):
        taken = [(look["base"], look["test"]) for look in _looks(path)]
    counts = [taken.count((base_hash, part_hash(task))) for task in tasks if not task.fresh]
    return max(counts, default=0) + 1


def record_look(*, base_hash: str, model_hash: str, test_hash: str) -> int:
    """Write down one look and return its number, 1 for the first at these items from this base.

    The same model on the same items is the same look, however often it is repeated: it shows nothing new.

    Args:
        base_hash: The base model.
        model_hash: The model that is judged.
        test_hash: The fixed items of one task, whatever their order; fresh ones are drawn for one look and never seen
            again.

    Raises:
        RunFolderError: The cache folder cannot be written.
    """
    path = cache_folder() / "ledger.jsonl"
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            seen = [look["model"] for look in _looks(path) if (look["base"], look["test"]) == (base_hash, test_hash)]
            if model_hash in seen:
                return seen.index(model_hash) + 1
            line = json.dumps({"base": base_hash, "model": model_hash, "test": test_hash})
            with path.open("a", encoding="utf-8") as file:
                # A line that a kill cut short must not swallow this one.
                file.write(f"\n{line}\n")
    return len(seen) + 1


def record_looks(tasks: Iterable[Task], *, base_hash: str, model_hash: str) -> int:
    """Write down a look at every fixed test part by itself, so that no other name, order or company starts anew.

    Returns:
        The largest of their numbers; 1 where all items are fresh.

    Raises:
        RunFolderError: The cache folder cannot be written.
    """
    fixed = [part_hash(task) for task in tasks if not task.fresh]
    return max((record_look(base_hash=base_hash, model_hash=model_hash, test_hash=part) for part in fixed), default=1)


def _looks(path: Path) -> Iterator[dict[str, str]]:
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8").split("\n"):
        if line.startswith("{") and line.endswith("}"):
            yield json.loads(line)
