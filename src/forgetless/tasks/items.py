"""Records of items in, questions out: a prompt template written over the columns, a group and a subject for each.

A test set must be read whole or not at all: a record that cannot be read would otherwise change what the score means
without a word, so the first one is refused by name. Only a question without a reference answer is no item, and public
sets have a few: they are left out, counted, and told of in the plan.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from forgetless.errors import DataError
from forgetless.recipe import ItemFiles
from forgetless.records import Item, Message
from forgetless.rundir import content_hash
from forgetless.sources import Reject, fill, is_text, prompt_key, record_streams

FILE_COLUMN = "file"
"""A column that every record has: its file's name without the endings (of a hub dataset, the subset's or its own).

A column of that name in the file wins."""

_MOST_UNANSWERED = 0.01
"""Share of the records that may lack an answer before the column is taken for the wrong one."""


class Question(NamedTuple):
    """One record of an item file, with everything of an item but its answer."""

    origin: str
    fields: Mapping[str, Any]
    messages: tuple[Message, ...]
    group: str
    subject: str


def read_questions(settings: ItemFiles, *, folder: Path, field: str) -> Iterator[Question]:
    """Read the records of items and write the prompt template over their columns.

    Args:
        settings: The files or hub dataset, templates and names of columns.
        folder: The folder of the recipe, which relative paths start from.
        field: Where the task stands in the recipe, for errors.

    Raises:
        DataError: A file is missing or empty, a record cannot be read, or a column does not exist.
    """
    for stream in record_streams(settings, folder=folder, field=field):
        for record in stream.read():
            if isinstance(record, Reject):
                raise DataError(
                    field=f"{field}.files",
                    value=record.preview,
                    rule=f"the record at {record.origin} cannot be read: {record.reason}",
                    way_out="mend or remove it; a test set is read whole or not at all",
                )
            fields = {FILE_COLUMN: stream.stem, **record.fields}
            yield _question(record.origin, fields, settings, field)


def _question(origin: str, fields: Mapping[str, Any], settings: ItemFiles, field: str) -> Question:
    asked = _filled(settings.prompt, fields, origin, f"{field}.prompt")
    messages = [Message("user", asked, raw_text=settings.raw_text)]
    if settings.system is not None:
        messages.insert(0, Message("system", _filled(settings.system, fields, origin, f"{field}.system")))
    return Question(
        origin=origin,
        fields=fields,
        messages=tuple(messages),
        group=column_text(fields, settings.group, origin=origin, field=f"{field}.group") if settings.group else "",
        subject=column_text(fields, settings.subject, origin=origin, field=f"{field}.subject")
        if settings.subject
        else "",
    )


def _filled(template: str, fields: Mapping[str, Any], origin: str, field: str) -> str:
    text = filled(template, fields, origin=origin, field=field).strip()
    if not text:
        raise DataError(
            field=field,
            value=template,
            rule=f"is empty for the record at {origin}",
            way_out="remove the record, or write a template with words of its own",
        )
    return text


def filled(template: str, fields: Mapping[str, Any], *, origin: str, field: str) -> str:
    """The template written over the columns of one record; see `sources.fill`.

    Raises:
        DataError: A column is missing or holds no text; the record is named.
    """
    try:
        return fill(template, fields, field=field)
    except DataError as error:
        raise DataError(
            field=field, value=template, rule=f"the record at {origin}: {error.rule}", way_out=error.way_out
        ) from None


def make_item(question: Question, *, target: str, choices: Sequence[str] = ()) -> Item:
    """The question with its answer. The id is a hash of the content, so it is stable across runs and files."""
    identifier = content_hash(question.messages, target, choices)[:16]
    return Item(
        id=identifier,
        messages=question.messages,
        target=target,
        choices=tuple(choices),
        group=question.group or question_group(question.messages),
        subject=question.subject,
    )


def question_group(messages: Sequence[Message]) -> str:
    """The group of an item that is given none: everything that asks the same question is one unit.

    So two answers to one question fall on the same part, and so does the same question in two tasks.
    """
    return prompt_key(messages)[:16]


def column(fields: Mapping[str, Any], name: str, *, origin: str, field: str) -> Any:
    """The value of a column.

    Raises:
        DataError: There is no such column (those that exist are named), or this record holds nothing in it that
            could be asked or answered.
    """
    if name not in fields:
        near = difflib.get_close_matches(name, list(fields), n=1)
        columns = ", ".join(f"`{known}`" for known in fields)
        raise DataError(
            field=field,
            value=name,
            rule=f"is not a column of the record at {origin}, which has {columns}",
            way_out=f"did you mean `{near[0]}`?" if near else "name one of these columns",
        )
    value = fields[name]
    if value is None or value == "":
        raise DataError(
            field=field,
            value=name,
            rule=f"is empty in the record at {origin}",
            way_out="give every record an answer, or remove those without one",
        )
    if not is_text(as_text(value)):
        raise DataError(
            field=field,
            value=name,
            rule=f"holds half of a surrogate pair, which is not a character, in the record at {origin}",
            way_out="mend or remove the record",
        )
    return value


def column_text(fields: Mapping[str, Any], name: str, *, origin: str, field: str) -> str:
    """The value of a column as text; see `column` and `as_text`."""
    return as_text(column(fields, name, origin=origin, field=field))


def as_text(value: Any) -> str:
    """Text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def answered(questions: Iterable[Question], answer: str, *, field: str) -> tuple[list[tuple[Question, str]], int]:
    """Every question with its reference answer, and how many were left out because their column is empty.

    Args:
        questions: The records that were read.
        answer: The column, or a template over the columns (see `answer_text`).
        field: Where `answer` stands in the recipe, for errors.

    Raises:
        DataError: There is no such column, or more than one in a hundred has nothing in it; the first is named.
    """
    asked = list(questions)
    left = [question for question in asked if not _lacks(question, answer)]
    if len(asked) - len(left) > _MOST_UNANSWERED * len(asked):
        left = asked  # so that the first one is refused by name
    return [(q, answer_text(q, answer, field=field)) for q in left], len(asked) - len(left)


def _lacks(question: Question, answer: str) -> bool:
    value = question.fields.get(answer, answer)
    return value is None or not as_text(value).strip()


def answer_text(question: Question, answer: str, *, field: str) -> str:
    """The reference answer of a question: a column's value, or a template over the columns such as `{"x": "{y}"}`.

    Raises:
        DataError: There is no such column, or the answer is empty.
    """
    if answer in question.fields or "{" not in answer:
        text = column_text(question.fields, answer, origin=question.origin, field=field)
    else:
        text = filled(answer, question.fields, origin=question.origin, field=field)
    if not text.strip():
        raise DataError(
            field=field,
            value=answer,
            rule=f"is empty for the record at {question.origin}",
            way_out="give every record an answer, or remove those without one",
        )
    return text
