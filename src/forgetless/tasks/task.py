"""What a task is: where its items come from, and how an answer to one becomes a score.

An item source and a scorer go in, and anything that satisfies `Task` comes out: the guard, the certificate and
`compare` know nothing else about what they measure. A fixed task owns a list of items, split once into a dev and a
test part; a fresh task draws new items from a seed whenever it is asked.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from forgetless.progress import Progress
from forgetless.records import Item, ItemResult, Part, ScoreSheet
from forgetless.rundir import content_hash
from forgetless.tasks.pool import ItemPool

if TYPE_CHECKING:
    from forgetless.engines import Engine


class Scorer(Protocol):
    """Turns a model's answers to items into scores in [0, 1]."""

    @property
    def binary(self) -> bool:
        """Whether every score is 0 or 1."""

    @property
    def fingerprint(self) -> str:
        """A hash of everything besides model, engine and item that a score depends on."""

    def score(self, engine: Engine, items: Sequence[Item], progress: Progress | None = None) -> list[ItemResult]:
        """One result for each item, in the order of the items."""


@runtime_checkable
class ComparingScorer(Scorer, Protocol):
    """Scores a model's answers beside those of the base: what it gives the base itself is even by construction."""

    def against(self, base: ScoreSheet) -> Scorer:
        """The scorer for a model that is compared with the base, whose answers are in the sheet."""


class Task(Protocol):
    """Something a model can be measured by.

    `chance` is the expected score of an answerer that knows nothing. `fresh` says that items are drawn anew for every
    seed; a task that is not fresh gives the same items at every look.
    """

    @property
    def name(self) -> str: ...
    @property
    def chance(self) -> float: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def fresh(self) -> bool: ...
    @property
    def binary(self) -> bool: ...

    def size(self, part: Part) -> int:
        """How many items a part has."""

    def items(self, part: Part, *, limit: int | None = None, seed: int = 0) -> tuple[Item, ...]:
        """The items of one part, in random order; `seed` matters to fresh tasks only."""

    def score(self, engine: Engine, items: Sequence[Item], progress: Progress | None = None) -> list[ItemResult]:
        """One result for each item, in the order of the items."""


class DrawItems(Protocol):
    """A generator of items: the same number and seed give the same items."""

    def __call__(self, *, n: int, seed: int) -> Sequence[Item]: ...


@dataclass(frozen=True, slots=True)
class FixedTask:
    """A list of items, split once, with a scorer."""

    name: str
    pool: ItemPool
    scorer: Scorer
    chance: float = 0.0

    @property
    def fresh(self) -> bool:
        """Never: the items are the same at every look."""
        return False

    @property
    def binary(self) -> bool:
        """Whether every score is 0 or 1."""
        return self.scorer.binary

    @property
    def fingerprint(self) -> str:
        """How the task scores; the items are addressed by their own ids."""
        return self.scorer.fingerprint

    def size(self, part: Part) -> int:
        """How many items a part has."""
        return len(self.pool.part(part))

    def items(self, part: Part, *, limit: int | None = None, seed: int = 0) -> tuple[Item, ...]:
        """The first `limit` items of a part, in an order that was fixed when the task was built; `seed` is not read."""
        return self.pool.part(part)[:limit]

    def score(self, engine: Engine, items: Sequence[Item], progress: Progress | None = None) -> list[ItemResult]:
        """One result for each item, in the order of the items."""
        return self.scorer.score(engine, items, progress)


@dataclass(frozen=True, slots=True)
class FreshTask:
    """A generator of items with a scorer: `dev_items` a look while training, `test_items` for the certificate."""

    name: str
    generator: str
    draw: DrawItems
    scorer: Scorer
    dev_items: int
    test_items: int
    chance: float = 0.0

    @property
    def fresh(self) -> bool:
        """Always: every seed gives other items."""
        return True

    @property
    def binary(self) -> bool:
        """Whether every score is 0 or 1."""
        return self.scorer.binary

    @property
    def fingerprint(self) -> str:
        """How the task draws and scores."""
        return content_hash("fresh", self.generator, self.scorer.fingerprint)

    def size(self, part: Part) -> int:
        """How many items are drawn for a part."""
        return self.dev_items if part == "dev" else self.test_items

    def items(self, part: Part, *, limit: int | None = None, seed: int = 0) -> tuple[Item, ...]:
        """Items drawn from `seed`: at most `limit`, and at most the size of the part.

        The two parts never share a stream of random numbers, whatever the seeds.
        """
        n = self.size(part) if limit is None else min(limit, self.size(part))
        return tuple(self.draw(n=n, seed=int(content_hash("fresh items", part, seed)[:12], 16)))

    def score(self, engine: Engine, items: Sequence[Item], progress: Progress | None = None) -> list[ItemResult]:
        """One result for each item, in the order of the items."""
        return self.scorer.score(engine, items, progress)


def against(task: Task, base: ScoreSheet) -> Task:
    """The task as a model is asked it that is compared with the base.

    Most tasks score every model by itself, and are returned as they are; one that compares answers learns the base's.

    Args:
        task: The task, as the base was asked it.
        base: The base's results on the items that will be asked, or on more.
    """
    if isinstance(task, FixedTask) and isinstance(task.scorer, ComparingScorer):
        return dataclasses.replace(task, scorer=task.scorer.against(base))
    return task


def halves(progress: Progress | None) -> tuple[Progress | None, Progress | None]:
    """Progress for two passes over the same items, or over some of them: writing answers, and looking at them."""
    if progress is None:
        return None, None
    return lambda done, n: progress(done, 2 * n), lambda done, n: progress(n + done, 2 * n)


def as_result(item: Item, score: float | None, output: str = "", note: str = "") -> ItemResult:
    """The result of one item; `note` says how the score came about.

    A score that is not a number is missing, which is something else than 0.
    """
    known = score if score is not None and math.isfinite(score) else None
    if known is not None and not 0.0 <= known <= 1.0:
        raise ValueError(f"a score lies in [0, 1], not {known}")
    return ItemResult(
        item_id=item.id, score=known, output=output, group=item.group or item.id, subject=item.subject, note=note
    )
