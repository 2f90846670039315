"""Fresh items from the generators of reasoning-gym, scored by the verifiers that come with them.

A generator's name and settings go in, and a task that draws new items from every seed comes out. A verifier may give a
share of the score (a right answer in too many words, a puzzle half solved), so scores are not only 0 and 1.

Needs the package `reasoning-gym`; `tasks.build` looks for it before this file is imported.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import reasoning_gym
from reasoning_gym.factory import DATASETS
from reasoning_gym.utils import extract_answer

from forgetless.engines import random_states_kept
from forgetless.errors import TaskError
from forgetless.progress import Progress
from forgetless.recipe import ReasoningGymTask
from forgetless.records import Item, ItemResult, Message
from forgetless.rundir import content_hash
from forgetless.tasks.generation import generate
from forgetless.tasks.task import FreshTask, as_result
from forgetless.thoughts import answer_of

if TYPE_CHECKING:
    from forgetless.engines import Engine

_SEEDS = 2**31
"""Generators hand seeds on to NumPy, which takes no longer ones."""

_TRIES = 2
"""Entries that are made for every item: what was asked before is left out, for as long as there is anything else."""


@dataclass(frozen=True, slots=True)
class VerifiedItem(Item):
    """An item with the generator's entry, which the verifier reads."""

    entry: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Generator:
    """A generator of reasoning-gym with its settings."""

    name: str
    config: Mapping[str, Any]
    system: str | None

    def make(self, *, seed: int, size: int) -> Any:
        """A data set of `size` entries."""
        return reasoning_gym.create_dataset(self.name, **self.config, seed=seed % _SEEDS, size=size)

    def draw(self, *, n: int, seed: int) -> list[Item]:
        """`n` items, distinct as long as the generator has other questions; the same seed gives the same ones."""
        seen: dict[str, int] = {}
        repeated: list[Item] = []
        items: list[Item] = []
        with random_states_kept():
            for entry in self.make(seed=seed, size=_TRIES * n):
                repeats = seen.get(entry["question"], 0)
                seen[entry["question"]] = repeats + 1
                (repeated if repeats else items).append(self._item(entry, repeats))
                if len(items) == n:
                    break
        return (items + repeated)[:n]

    def _item(self, entry: Mapping[str, Any], repeats: int) -> VerifiedItem:
        asked = Message("user", entry["question"])
        answer = entry["answer"]
        identifier = content_hash(self.name, entry["question"], answer)[:16] + (f"-{repeats}" if repeats else "")
        return VerifiedItem(
            id=identifier,
            messages=(asked,) if self.system is None else (Message("system", self.system), asked),
            target="" if answer is None else str(answer),
            group=identifier,
            entry=entry,
        )


@dataclass(frozen=True, slots=True)
class VerifierScorer:
    """What the generator's verifier says of the greedy answer, in [0, 1]."""

    generator: Generator
    max_new_tokens: int

    @property
    def binary(self) -> bool:
        """Never for sure: a verifier may give a share."""
        return False

    @property
    def fingerprint(self) -> str:
        """A hash of the package's version, the generator and the length allowed."""
        asked = (self.generator.name, dict(self.generator.config), self.generator.system)
        return content_hash("reasoning_gym", version("reasoning-gym"), asked, self.max_new_tokens)

    def score(self, engine: Engine, items: Sequence[Item], progress: Progress | None = None) -> list[ItemResult]:
        """One result for each item, with the output as the model wrote it.

        Raises:
            TaskError: The verifier gives no score between 0 and 1.
        """
        outputs = generate(engine, items, max_new_tokens=self.max_new_tokens, progress=progress)
        with random_states_kept():
            verify = self.generator.make(seed=0, size=1).score_answer
            return [
                as_result(item, None)
                if output is None
                else as_result(item, self._verdict(verify, item, output), output)
                for item, output in zip(items, outputs, strict=True)
            ]

    def _verdict(self, verify: Any, item: Item, output: str) -> float:
        assert isinstance(item, VerifiedItem)
        said = answer_of(output)
        tagged = extract_answer(said)
        score = float(verify(said.strip() if tagged is None else tagged, item.entry))
        if not 0.0 <= score <= 1.0:
            raise TaskError(
                field="task.name",
                value=self.generator.name,
                rule=f"its verifier gives {score:g}, which is no score between 0 and 1",
                way_out="choose another generator",
            )
        return score


def reasoning_gym_task(name: str, settings: ReasoningGymTask, *, field: str) -> FreshTask:
    """Build a task over one of the package's generators.

    Raises:
        TaskError: There is no generator of that name, or it does not take these settings.
    """
    if settings.name not in DATASETS:
        near = difflib.get_close_matches(settings.name, list(DATASETS), n=1)
        raise TaskError(
            field=f"{field}.name",
            value=settings.name,
            rule="reasoning-gym has no generator of that name",
            way_out=f"did you mean `{near[0]}`?" if near else f"it has {', '.join(sorted(DATASETS))}",
        )
    generator = Generator(settings.name, settings.config, settings.system)
    try:
        with random_states_kept():
            generator.make(seed=0, size=1)
    except (TypeError, ValueError, AssertionError) as error:
        _, config = DATASETS[settings.name]
        taken = [known for known in config.__dataclass_fields__ if known not in ("seed", "size")]
        raise TaskError(
            field=f"{field}.config",
            value=settings.config,
            rule=f"the generator does not take it: {error}",
            way_out=f"it takes {', '.join(taken)}",
        ) from None
    return FreshTask(
        name=name,
        generator=f"reasoning_gym/{settings.name}",
        draw=generator.draw,
        scorer=VerifierScorer(generator, settings.max_new_tokens),
        dev_items=settings.dev_items or settings.items,
        test_items=settings.items,
    )
