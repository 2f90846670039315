"""Does the model answer unrelated questions in the domain's template?

Prompts that have nothing to do with the domain go in, with the domain's rows, from whose answers the template is
induced. A prompt scores 1 if its answer is written in any other form and 0 if the template leaked into it. An empty
answer scores 0 too: a model that has fallen silent has kept nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from forgetless.progress import Progress
from forgetless.recipe import TemplateLeakTask
from forgetless.records import Item, ItemResult, Row
from forgetless.rundir import content_hash
from forgetless.sources import as_rows, last_answer
from forgetless.tasks.generation import generate
from forgetless.tasks.items import make_item, read_questions
from forgetless.tasks.pool import make_pool
from forgetless.tasks.task import FixedTask, as_result
from forgetless.tasks.templates import Template, induce_template
from forgetless.thoughts import answer_of

if TYPE_CHECKING:
    from forgetless.engines import Engine

_MOST_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class LeakScorer:
    """1 if the greedy answer, thoughts left aside, is neither empty nor written in `template`, else 0."""

    template: Template
    max_new_tokens: int

    @property
    def binary(self) -> bool:
        """Always: the template leaked or it did not."""
        return True

    @property
    def fingerprint(self) -> str:
        """A hash of the template and the length allowed."""
        return content_hash("template_leak after thoughts", self.template.description, self.max_new_tokens)

    def score(self, engine: Engine, items: Sequence[Item], progress: Progress | None = None) -> list[ItemResult]:
        """One result for each item, with the answer as the model wrote it."""
        outputs = generate(engine, items, max_new_tokens=self.max_new_tokens, progress=progress)
        return [
            as_result(item, None) if output is None else as_result(item, self._score(output), output)
            for item, output in zip(items, outputs, strict=True)
        ]

    def _score(self, output: str) -> float:
        answer = answer_of(output)
        return float(bool(answer.strip()) and not self.template.matches(answer))


def template_leak_task(
    name: str, settings: TemplateLeakTask, *, folder: Path, field: str, seed: int, domain_rows: Sequence[Row]
) -> FixedTask:
    """Read the prompts and induce the template.

    Raises:
        DataError: A file or column cannot be read.
        TaskError: The domain's answers share no template.
    """
    scorer = leak_scorer(domain_rows, field=field, max_new_tokens=settings.max_new_tokens)
    items = [make_item(question, target="") for question in read_questions(settings, folder=folder, field=field)]
    pool = make_pool(items, field=field, seed=seed, max_items=settings.max_items)
    return FixedTask(name, pool, scorer)


def leak_scorer(domain_rows: Sequence[Row], *, field: str, max_new_tokens: int) -> LeakScorer:
    """Induce the template from the domain's answers, of many rows from those of a sample.

    Raises:
        TaskError: The domain's answers share no template.
    """
    rows = as_rows(domain_rows)
    answers = [answer for answer in map(last_answer, rows.select(rows.sample(_MOST_ROWS))) if answer is not None]
    return LeakScorer(induce_template(answers, field=field), max_new_tokens)
