"""Can a model do what a task asks? A few items, before anything is trained on or kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from forgetless.engines import Engine
from forgetless.errors import TaskError
from forgetless.progress import Progress
from forgetless.records import ItemResult
from forgetless.tasks import Sample
from forgetless.verdicts import has_ability


@dataclass(frozen=True, slots=True)
class Trial:
    """How a model does on some items of a task.

    `score` is the mean over the items that have one, and `subjects` the means by kind of item; `chance` is what an
    answerer that knows nothing gets. `present` says whether the model is shown to lie above chance by more than
    `margin`, as rule 12b asks of a base: if not, the verdict would be *absent*. `results` are those of the single
    items, in their order.
    """

    name: str
    n: int
    score: float | None
    chance: float
    margin: float
    present: bool
    subjects: dict[str, float]
    results: tuple[ItemResult, ...]

    @property
    def said(self) -> str:
        """What follows for a recipe."""
        if self.present:
            return "can be kept"
        if self.score is not None and self.score > self.chance + self.margin:
            return "not shown on so few items; try more"
        return "this base cannot do this; nothing to keep"


def try_sample(engine: Engine, sample: Sample, *, progress: Progress | None = None) -> Trial:
    """Measure a model on some items.

    Raises:
        TaskError: The items cannot be scored without a domain.
        ModelError: The model cannot answer them.
    """
    if sample.scorer is None:
        raise TaskError(
            field="NAME",
            value=sample.name,
            rule="asks whether the domain's template leaks, and there is no domain here to take a template from",
            way_out="name it in a whole recipe with `sources`, or leave it out",
        )
    results = sample.scorer.score(engine, sample.items, progress)
    scores = [result.score for result in results if result.score is not None]
    return Trial(
        name=sample.name,
        n=len(results),
        score=sum(scores) / len(scores) if scores else None,
        chance=sample.chance,
        margin=sample.margin,
        present=has_ability(results, margin=sample.margin, chance=sample.chance),
        subjects=_by_subject(results),
        results=tuple(results),
    )


def _by_subject(results: Sequence[ItemResult]) -> dict[str, float]:
    scores: dict[str, list[float]] = {}
    for result in results:
        if result.score is not None and result.subject:
            scores.setdefault(result.subject, []).append(result.score)
    return {subject: sum(found) / len(found) for subject, found in sorted(scores.items())}
