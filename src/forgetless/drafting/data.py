"""A look at a data file: how it is read, what its answers look like, and how a domain of it can be measured.

The path of a file goes in. It is read by the same code as in a run, so what the draft says of it is what a run will
find.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, Literal

from forgetless.drafting.columns import AskForAnswer, are_labels, template_over
from forgetless.errors import DataError, TaskError
from forgetless.recipe import RowTemplate, SourceSettings
from forgetless.sources import (
    LoadedSource,
    Record,
    Rows,
    detect_shape,
    last_answer,
    load_source,
    read_records,
    resolve_files,
)
from forgetless.tasks import Template, induce_template

Metric = Literal["exact", "number", "json", "answer_probability"]

_HEAD: Final = 2000
_NUMBER: Final = re.compile(r"[-+]?[\d,.]+\s*%?")
_NEARLY_ALL: Final = 0.95
_MOST_REJECTED_PERCENT: Final = 10
"""A file of which more cannot be used was read in a wrong way, or is no training data yet."""
_NAMELESS: Final = ("train", "training", "data")


@dataclass(frozen=True, slots=True)
class DataLook:
    """A data file as a run will read it.

    Attributes:
        path: The file.
        source: Its rows under a name taken from the file's, and the account of how they came about.
        template: The template over its columns; `None` where the shape says how to read it.
        encoding: As the recipe will say it: `auto`, or the name that the user gave.
        answers: The last answer of every row that has one.
        metric: How such answers are best measured.
        form: The template that the answers share; `None` where they share none, and nothing could leak.
    """

    path: Path
    source: LoadedSource
    template: RowTemplate | None
    encoding: str
    answers: tuple[str, ...]
    metric: Metric
    form: Template | None

    @property
    def rows(self) -> Rows:
        """The rows of the file."""
        return self.source.rows

    @property
    def rejected_percent(self) -> int:
        """Of its records, how many cannot be used, rounded up."""
        left_out = len(self.source.rejects)
        return math.ceil(100 * left_out / (len(self.rows) + self.source.duplicates + left_out))


def look_at_data(path: Path, *, question: str | None, answer: str | None, encoding: str, ask: AskForAnswer) -> DataLook:
    """Read a data file and see what a recipe has to say about it.

    Args:
        path: The file.
        question: The column of the question, for a table that no shape fits, where the user named it.
        answer: The column of the answer, likewise.
        encoding: A Python encoding name, or `auto`.
        ask: Asks for the column of the answer where the columns do not say it, or raises.

    Raises:
        DataError: The file cannot be read as questions and answers.
    """
    file, *more = resolve_files([str(path)], folder=Path(), field="DATA")
    if more:
        raise DataError(
            field="DATA", value=path, rule=f"stands for {len(more) + 1} files",
            way_out="name one of them; others are added in the recipe, under `files`",
        )  # fmt: skip
    records = [r for r in islice(read_records(file, encoding=encoding), _HEAD) if isinstance(r, Record)]
    if not records:
        raise DataError(
            field="DATA", value=path, rule="holds no record that can be read", way_out="check that it is the right file"
        )
    shape = detect_shape(records[0].fields)
    named = question is not None or answer is not None
    if shape == "text" and not named:
        raise DataError(
            field="DATA",
            value=path,
            rule="is raw text, which has no answers by which a domain could be measured",
            way_out="write questions and answers (`prompt`, `completion`); raw text goes beside them as `kind: text`",
        )
    template = template_over(records, question=question, answer=answer, ask=ask) if named or shape is None else None
    settings = SourceSettings(kind="domain", files=[str(file)], share=1.0, template=template, encoding=encoding,
                              max_rejected_percent=_MOST_REJECTED_PERCENT)  # fmt: skip
    source = load_source(name_from(file), settings, kind="domain", folder=Path(), field="DATA")
    answers = tuple(text for row in source.rows if (text := last_answer(row)) is not None)
    if not answers:
        raise DataError(
            field="DATA",
            value=path,
            rule="holds no row with a question and an answer",
            way_out="give rows with answers",
        )
    return DataLook(file, source, template, encoding, answers, metric_for(answers), _form(answers))


def name_from(path: Path) -> str:
    """A name for the run folder, from that of the data file, or of its folder where that says nothing."""
    stem = path.resolve().parent.name if path.stem.casefold() in _NAMELESS else path.stem
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("._-")
    return name if name and name != "replay" else "domain"


def metric_for(answers: Sequence[str]) -> Metric:
    """How answers are best measured: labels word for word, numbers and JSON by value, prose by its probability."""
    if _most(answers, _is_object):
        return "json"
    if _most(answers, lambda text: _NUMBER.fullmatch(text.strip()) is not None):
        return "number"
    return "exact" if are_labels([text.strip() for text in answers]) else "answer_probability"


def _most(answers: Sequence[str], holds: Callable[[str], bool]) -> bool:
    return sum(map(holds, answers)) >= _NEARLY_ALL * len(answers)


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), (dict, list))
    except (ValueError, RecursionError):
        return False


def _form(answers: Sequence[str]) -> Template | None:
    try:
        return induce_template(answers)
    except TaskError:
        return None
