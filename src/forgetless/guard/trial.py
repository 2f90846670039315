"""Can a model do what a ready set asks? A few items, before anything is trained on or kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from forgetless.engines import Engine
from forgetless.progress import Progress
from forgetless.recipe import ReadyName, ready_margin
from forgetless.records import ItemResult
from forgetless.tasks import SETS
from forgetless.verdicts import judge


@dataclass(frozen=True, slots=True)
class Trial:
    """How a model does on some items of a ready set.

    `score` is the mean over the items that have one, and `subjects` the means by kind of item; `chance` is what an
    answerer that knows nothing gets. `present` says whether the model is shown to lie above chance by more than
    `margin`, as rule 12b asks of a base: if not, the set's verdict would be *absent*.
    """

    name: ReadyName
    n: int
    score: float | None
    chance: float
    margin: float
    present: bool
    subjects: dict[str, float]

    @property
    def said(self) -> str:
        """What follows for a recipe."""
        if self.present:
            return "can be kept"
        if self.score is not None and self.score > self.chance + self.margin:
            return "not shown on so few items; try more"
        return "this base cannot do this; nothing to keep"


def try_set(engine: Engine, name: ReadyName, *, n: int, seed: int, progress: Progress | None = None) -> Trial:
    """Measure a model on `n` items of a ready set, drawn from `seed`.

    Raises:
        TaskError: The set cannot be asked without a domain.
        ModelError: The model cannot answer its items.
    """
    found = SETS[name]
    results = found.scorer((), name).score(engine, found.sample(name, n=n, seed=seed), progress)
    margin = ready_margin(name) / 100
    # Compared with itself a model has lost nothing, so the verdict speaks of its ability alone.
    verdict = judge(results, results, capability=name, margin=margin, chance=found.chance)
    return Trial(
        name=name,
        n=len(results),
        score=verdict.base_score,
        chance=found.chance,
        margin=margin,
        present=verdict.n > 1 and verdict.outcome != "absent",
        subjects=_by_subject(results),
    )


def _by_subject(results: Sequence[ItemResult]) -> dict[str, float]:
    scores: dict[str, list[float]] = {}
    for result in results:
        if result.score is not None:
            scores.setdefault(result.subject, []).append(result.score)
    return {subject: sum(found) / len(found) for subject, found in sorted(scores.items())}
