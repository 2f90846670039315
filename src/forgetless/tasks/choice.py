"""Multiple choice by likelihood: which of the choices does the model find the most likely answer?

Records with a list of choices and an answer column go in. Nothing is generated: every choice is scored as the model's
answer to the prompt, so a model that forgot only the answer format is not counted as having forgotten the knowledge.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from forgetless.errors import TaskError
from forgetless.progress import Progress
from forgetless.recipe import ChoiceTask
from forgetless.records import Item, ItemResult
from forgetless.rundir import content_hash
from forgetless.tasks.items import Question, as_text, column, filled, make_item, read_questions
from forgetless.tasks.matching import plain_text
from forgetless.tasks.pool import make_pool
from forgetless.tasks.task import FixedTask, as_result

if TYPE_CHECKING:
    from forgetless.engines import AnswerLikelihood, Engine

Choices = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChoiceScorer:
    """1 if the right choice has the highest log-likelihood, else 0.

    `normalise: bytes` divides each log-likelihood (nats, summed over the choice's tokens) by the choice's length in
    UTF-8 bytes, which takes away the advantage of short choices.
    """

    normalise: Literal["none", "bytes"] = "none"

    @property
    def binary(self) -> bool:
        """Always: a choice is right or wrong."""
        return True

    @property
    def fingerprint(self) -> str:
        """A hash of the way of scoring."""
        return content_hash("choice", self.normalise)

    def score(self, engine: Engine, items: Sequence[Item], progress: Progress | None = None) -> list[ItemResult]:
        """One result for each item; missing where the likelihood of any choice is."""
        pairs = [(item.messages, choice) for item in items for choice in item.choices]
        likelihoods = iter(engine.answer_likelihoods(pairs, progress=progress))
        return [self._result(item, [self._value(next(likelihoods)) for _ in item.choices]) for item in items]

    def _value(self, likelihood: AnswerLikelihood) -> float:
        if likelihood.tokens < 1 or likelihood.bytes < 1:
            return math.nan
        return likelihood.log_likelihood / (likelihood.bytes if self.normalise == "bytes" else 1)

    def _result(self, item: Item, values: Sequence[float]) -> ItemResult:
        if any(math.isnan(value) for value in values):
            return as_result(item, None)
        chosen = item.choices[max(range(len(values)), key=values.__getitem__)]
        return as_result(item, float(chosen == item.target), chosen)


def choice_task(name: str, settings: ChoiceTask, *, folder: Path, field: str, seed: int) -> FixedTask:
    """Read a multiple-choice task.

    Raises:
        DataError: A file or column cannot be read.
        TaskError: The answers fit no reading, or two readings that disagree; a record has fewer than two choices.
    """
    questions = list(read_questions(settings, folder=folder, field=field))
    choices = read_choices(questions, settings.choices, field=f"{field}.choices")
    targets = read_targets(questions, choices, settings.answer, field=f"{field}.answer")
    items = [make_item(q, target=t, choices=c) for q, t, c in zip(questions, targets, choices, strict=True)]
    pool = make_pool(items, field=field, seed=seed, max_items=settings.max_items)
    return FixedTask(name, pool, ChoiceScorer(settings.normalise), chance=chance_of_choices(pool.all))


def chance_of_choices(items: Sequence[Item]) -> float:
    """Expected score of picking at random: the mean of 1/k, or of more where the right choice is listed twice."""
    return sum(item.choices.count(item.target) / len(item.choices) for item in items) / len(items)


def read_choices(questions: Sequence[Question], choices: str | list[str], *, field: str) -> list[Choices]:
    """The choices of every record: a column that holds a list, or a list of templates.

    Raises:
        TaskError: A record offers fewer than two choices.
    """
    return [_choices(question, choices, field=field) for question in questions]


def read_targets(
    questions: Sequence[Question], choices: Sequence[Choices], answer: str, *, field: str
) -> tuple[str, ...]:
    """The text of the right choice of every record, from the column `answer` (see `read_answers`)."""
    answers = [column(q.fields, answer, origin=q.origin, field=field) for q in questions]
    return read_answers(answers, choices, origins=[q.origin for q in questions], field=field)


def _choices(question: Question, choices: str | list[str], *, field: str) -> Choices:
    if isinstance(choices, list):
        found: Any = [filled(text, question.fields, origin=question.origin, field=field) for text in choices]
    else:
        found = _parsed(column(question.fields, choices, origin=question.origin, field=field))
    texts = tuple(as_text(choice).strip() for choice in found) if isinstance(found, list) else ()
    if len(texts) < 2 or not all(texts) or any(isinstance(choice, (dict, list)) for choice in found):
        raise TaskError(
            field=field,
            value=found,
            rule=f"the record at {question.origin} must offer a list of at least two texts, none of them empty",
            way_out="name the column that holds the list, or give a list of templates such as ['{A}', '{B}']",
        )
    return texts


def _parsed(value: Any) -> Any:
    """A list written as JSON in a cell of a CSV file counts as a list."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def read_answers(
    answers: Sequence[Any], choices: Sequence[Choices], *, origins: Sequence[str], field: str
) -> tuple[str, ...]:
    """The text of the right choice of every record.

    An answer is the index of the right choice (counted from 0), its letter (`A` is the first), or its text. One
    reading holds for the whole column: the one that fits every record. Where several fit, they must name the same
    choices.

    Raises:
        TaskError: No reading fits every record, or two fit and disagree.
    """
    fitting: dict[str, tuple[str, ...]] = {}
    for name, reading in _READINGS.items():
        texts = [reading(answer, offered) for answer, offered in zip(answers, choices, strict=True)]
        if None not in texts:
            fitting[name] = tuple(text for text in texts if text is not None)
    if not fitting:
        raise _unreadable(answers, choices, origins, field)
    first, *others = fitting
    for other in others:
        for i, (one, two) in enumerate(zip(fitting[first], fitting[other], strict=True)):
            if one != two:
                raise TaskError(
                    field=field,
                    value=answers[i],
                    rule=f"is ambiguous: at {origins[i]} it means `{one}` when read as {first}, `{two}` as {other}",
                    way_out="write the answers as letters (A, B, ...), which are none of these choices",
                )
    return fitting[first]


def _by_index(answer: Any, choices: Choices) -> str | None:
    text = plain_text(as_text(answer))
    if isinstance(answer, bool) or not (text.isascii() and text.isdigit() and len(text) < 4):
        return None
    return choices[int(text)] if int(text) < len(choices) else None


def _by_letter(answer: Any, choices: Choices) -> str | None:
    letter = plain_text(answer).strip("().").upper() if isinstance(answer, str) else ""
    if len(letter) != 1 or not "A" <= letter <= "Z":
        return None
    index = ord(letter) - ord("A")
    return choices[index] if index < len(choices) else None


def _by_text(answer: Any, choices: Choices) -> str | None:
    text = as_text(answer).strip()
    return text if text in choices else None


_READINGS: dict[str, Callable[[Any, Choices], str | None]] = {
    "an index": _by_index,
    "a letter": _by_letter,
    "a text": _by_text,
}


def _unreadable(answers: Sequence[Any], choices: Sequence[Choices], origins: Sequence[str], field: str) -> TaskError:
    read = {name: [r(a, c) is not None for a, c in zip(answers, choices, strict=True)] for name, r in _READINGS.items()}
    nearest = max(read, key=lambda name: sum(read[name]))
    i = read[nearest].index(False)
    return TaskError(
        field=field,
        value=answers[i],
        rule=f"names none of the {len(choices[i])} choices of the record at {origins[i]}, neither as index (from 0) "
        f"nor as letter nor as text; {sum(read[nearest]):,} of {len(answers):,} answers are {nearest}",
        way_out="write all answers in the same way, or mend this record",
    )
