"""What the guard watches: a task with a margin."""

from __future__ import annotations

from dataclasses import dataclass

from forgetless.tasks import Task


@dataclass(frozen=True, slots=True)
class Capability:
    """An ability to keep.

    Attributes:
        name: As the recipe calls it.
        task: How it is measured.
        margin: The most that its mean score may drop, on the scale of the scores (0.02 is two points).
    """

    name: str
    task: Task
    margin: float

    def sample_prompts(self, seed: int) -> list[str]:
        """What its dev items ask, to see which replay prompts are alike."""
        return [item.messages[-1].content for item in self.task.items("dev", limit=120, seed=seed)]
