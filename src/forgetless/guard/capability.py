"""What the guard watches: a task with a margin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from forgetless.records import ItemResult, Target
from forgetless.tasks import Task


@dataclass(frozen=True, slots=True)
class Capability:
    """An ability to keep.

    Attributes:
        name: As the recipe calls it.
        task: How it is measured.
        margin: The most that its mean score may drop, on the scale of the scores (0.02 is two points).
        target: Rule 11. Whether verdicts are about what the test items stand for, or about these items alone.
    """

    name: str
    task: Task
    margin: float
    target: Target = "population"

    def list_size(self, base: Sequence[ItemResult]) -> int | None:
        """Items of the list that a verdict is about, less those that the base has no score for.

        Args:
            base: The base's results on all items that are asked.

        Returns:
            `None` where the verdict is about the population.
        """
        if self.target == "population":
            return None
        return self.task.size("test") - sum(result.score is None for result in base)

    def sample_prompts(self, seed: int) -> list[str]:
        """What its dev items ask, to see which replay prompts are alike."""
        return [item.messages[-1].content for item in self.task.items("dev", limit=120, seed=seed)]
