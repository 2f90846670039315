"""Greedy generation, matched against a reference: did the model give the answer?

Records with a prompt and a reference answer go in; an output is right (1) or wrong (0) by one of the ways in
`matching`. Only what stands after the model's thoughts is matched, and thoughts that never end are no answer. What
cannot be read is wrong; only an answer that the engine could not give at all is missing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from forgetless.progress import Progress
from forgetless.recipe import GenerationTask
from forgetless.records import Item, ItemResult
from forgetless.rundir import content_hash
from forgetless.tasks.items import answered, make_item, read_questions
from forgetless.tasks.matching import RULES, Match, check_reference, matcher
from forgetless.tasks.pool import make_pool
from forgetless.tasks.task import FixedTask, as_result
from forgetless.thoughts import answer_of

if TYPE_CHECKING:
    from forgetless.engines import Engine


@dataclass(frozen=True, slots=True)
class GenerationScorer:
    """1 if the greedy answer matches the item's target, else 0.

    `pattern` goes with `match="regex"`. Generation stops after `max_new_tokens` tokens, thoughts included.
    """

    match: Match
    max_new_tokens: int
    pattern: str | None = None

    @property
    def binary(self) -> bool:
        """Always: an answer is right or wrong."""
        return True

    @property
    def fingerprint(self) -> str:
        """A hash of the way of matching, its rules and the length allowed."""
        return content_hash("generation after thoughts", RULES, self.match, self.pattern, self.max_new_tokens)

    def score(self, engine: Engine, items: Sequence[Item], progress: Progress | None = None) -> list[ItemResult]:
        """One result for each item, with the output as the model wrote it."""
        is_right = matcher(self.match, pattern=self.pattern)
        outputs = generate(engine, items, max_new_tokens=self.max_new_tokens, progress=progress)
        return [
            as_result(item, None)
            if output is None
            else as_result(item, float(is_right(answer_of(output), item.target)), output)
            for item, output in zip(items, outputs, strict=True)
        ]


def generate(
    engine: Engine, items: Sequence[Item], *, max_new_tokens: int, progress: Progress | None
) -> Sequence[str | None]:
    """The greedy answer to every item, thoughts included; `None` stands for one that the engine could not give."""
    prompts = [item.messages for item in items]
    return engine.generate(prompts, max_new_tokens=max_new_tokens, progress=progress)


def generation_task(name: str, settings: GenerationTask, *, folder: Path, field: str, seed: int) -> FixedTask:
    """Read a task of generated answers.

    Raises:
        DataError: A file or column cannot be read.
        TaskError: A reference that no answer could match, or a pattern that is not a regular expression.
    """
    matcher(settings.match, pattern=settings.pattern, field=f"{field}.pattern")
    items = []
    questions = read_questions(settings, folder=folder, field=field)
    pairs, unanswered = answered(questions, settings.answer, field=f"{field}.answer")
    for question, answer in pairs:
        check_reference(settings.match, answer, origin=question.origin, field=f"{field}.answer")
        item = make_item(question, target=answer)
        items.append(item if settings.thinking is None else _in_mode(item, settings.thinking))
    pool = make_pool(items, field=field, seed=seed, max_items=settings.max_items, unanswered=unanswered)
    return FixedTask(name, pool, GenerationScorer(settings.match, settings.max_new_tokens, settings.pattern))


def _in_mode(item: Item, thinking: bool) -> Item:
    """The question in one mode: another item, and of the same group, so that both modes fall on the same part."""
    *before, asked = item.messages
    messages = (*before, dataclasses.replace(asked, enable_thinking=thinking))
    return dataclasses.replace(item, id=f"{item.id}-{'on' if thinking else 'off'}", messages=messages)
