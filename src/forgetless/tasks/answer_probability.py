"""How likely is the reference answer? A score that moves before the answers do.

Records with a prompt and a reference answer go in. The score is 2 to the power of minus the answer's bits per byte:
in (0, 1], comparable between tokenizers, and so much less noisy than right or wrong that it needs many times fewer
items. A kept probability of the answer is another claim than a kept accuracy.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from forgetless.progress import Progress
from forgetless.recipe import AnswerProbabilityTask
from forgetless.records import Item, ItemResult
from forgetless.rundir import content_hash
from forgetless.tasks.choice import read_choices, read_targets
from forgetless.tasks.items import Question, answered, make_item, read_questions
from forgetless.tasks.pool import make_pool
from forgetless.tasks.task import FixedTask, as_result

if TYPE_CHECKING:
    from forgetless.engines import AnswerLikelihood, Engine


@dataclass(frozen=True, slots=True)
class ProbabilityScorer:
    """2^(−bits per byte) of the item's target as the answer to its prompt."""

    @property
    def binary(self) -> bool:
        """Never: the score is a number between 0 and 1."""
        return False

    @property
    def fingerprint(self) -> str:
        """A hash of the way of scoring."""
        return content_hash("answer_probability")

    def score(self, engine: Engine, items: Sequence[Item], progress: Progress | None = None) -> list[ItemResult]:
        """One result for each item; missing where the engine gave no likelihood."""
        pairs = [(item.messages, item.target) for item in items]
        likelihoods = engine.answer_likelihoods(pairs, progress=progress)
        return [as_result(item, probability(found)) for item, found in zip(items, likelihoods, strict=True)]


def probability(likelihood: AnswerLikelihood) -> float | None:
    """2^(−bits per byte) of an answer, or `None` where its likelihood is not a number or it has no bytes.

    Rule 10. It is a chance per byte, in (0, 1], so that tests of bounded scores apply.
    With a log-likelihood ℓ in nats, bits per byte are −ℓ / (ln 2 · bytes), so the score is exp(ℓ / bytes).
    """
    if likelihood.bytes < 1 or likelihood.tokens < 1 or math.isnan(likelihood.log_likelihood):
        return None
    # Sums of rounded logarithms may end a hair above 0.
    return math.exp(min(likelihood.log_likelihood, 0.0) / likelihood.bytes)


def answer_probability_task(
    name: str, settings: AnswerProbabilityTask, *, folder: Path, field: str, seed: int
) -> FixedTask:
    """Read a task of answer probabilities.

    Raises:
        DataError: A file or column cannot be read, or an answer is empty.
        TaskError: With `choices`, the answers fit no reading of them.
    """
    questions = read_questions(settings, folder=folder, field=field)
    pairs, unanswered = _pairs(questions, settings, field=field)
    items = [make_item(question, target=target) for question, target in pairs]
    pool = make_pool(items, field=field, seed=seed, max_items=settings.max_items, unanswered=unanswered)
    return FixedTask(name, pool, ProbabilityScorer())


def _pairs(
    questions: Iterable[Question], settings: AnswerProbabilityTask, *, field: str
) -> tuple[Iterable[tuple[Question, str]], int]:
    if settings.choices is None:
        return answered(questions, settings.answer, field=f"{field}.answer")
    asked = list(questions)
    choices = read_choices(asked, settings.choices, field=f"{field}.choices")
    return zip(asked, read_targets(asked, choices, settings.answer, field=f"{field}.answer"), strict=True), 0
