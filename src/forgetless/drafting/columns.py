"""Which columns hold the question and the answer, in a table that no shape fits.

Records go in; out comes a template over two columns, or an error that lists them. Names decide first, for people call
an answer `label` or `answer`; then the values: few different short ones are labels, the longest texts are questions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from forgetless.errors import DataError
from forgetless.recipe import RowTemplate
from forgetless.sources import Record

ANSWER_NAMES: Final = (
    *("label", "category", "intent", "class", "target", "answer", "output", "response", "completion", "reply"),
    *("summary", "translation", "sentiment", "tag", "标签", "类别", "分类", "意图", "答案", "回答", "回复", "输出"),
)
QUESTION_NAMES: Final = (
    *("text", "prompt", "question", "input", "instruction", "query", "message", "content", "sentence", "utterance"),
    *("文本", "内容", "问题", "输入", "指令", "句子", "提问"),
)
_FILLED: Final = 0.9
_LABEL_CHARACTERS: Final = 60
_MOST_LABELS: Final = 0.2

AskForAnswer = Callable[[Sequence[str]], str]
"""Called with the names of the columns when they do not say which one holds the answer."""


class _Column(NamedTuple):
    name: str
    values: tuple[str, ...]

    @property
    def mean_characters(self) -> float:
        return sum(map(len, self.values)) / len(self.values)

    @property
    def label_like(self) -> bool:
        return are_labels(self.values)


def are_labels(values: Sequence[str]) -> bool:
    """Whether texts look like labels: short, and few different ones among many."""
    different = set(values)
    return 1 < len(different) <= _MOST_LABELS * len(values) and max(map(len, different)) <= _LABEL_CHARACTERS


def template_over(
    records: Sequence[Record], *, question: str | None, answer: str | None, ask: AskForAnswer
) -> RowTemplate:
    """A conversation of one question and one answer over the columns of a table.

    Args:
        records: Some records of the file.
        question: The column that holds the question, where the user named it.
        answer: The column that holds the answer, where the user named it.
        ask: Asks the user for the column of the answer, or raises.

    Raises:
        DataError: A named column does not exist or is named twice, or there are not two columns with text in them.
    """
    columns = _text_columns(records)
    names = [column.name for column in columns]
    for option, named in (("--question", question), ("--answer", answer)):
        if named is not None and named not in names:
            raise _no_such_column(option, named, names)
    if question is not None and question == answer:
        raise DataError(
            field="--answer",
            value=answer,
            rule="is the column of the question as well",
            way_out="name two columns",
        )
    if len(columns) < 2:
        raise DataError(
            field="DATA",
            value=f"columns {', '.join(records[0].fields)}",
            rule="a question and an answer need two columns that are filled with text",
            way_out="add the missing column, or write the rows as `prompt` and `completion`",
        )
    if answer is None:
        answer = _answer_column([c for c in columns if c.name != question]) or ask(names)
        if answer not in names:
            raise _no_such_column("--answer", answer, names)
    question = question or _question_column([column for column in columns if column.name != answer])
    return RowTemplate(prompt=f"{{{question}}}", completion=f"{{{answer}}}")


def _text_columns(records: Sequence[Record]) -> list[_Column]:
    """Columns that hold a text in nearly every record."""
    names = dict.fromkeys(name for record in records for name in record.fields if name)
    found = []
    for name in names:
        values = tuple(text for record in records if (text := _text(record.fields.get(name))))
        if len(values) >= _FILLED * len(records):
            found.append(_Column(name, values))
    return found


def _text(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return ""
    return str(value).strip() if isinstance(value, (str, int, float)) else ""


def _answer_column(columns: Sequence[_Column]) -> str | None:
    """The one column that is called like an answer, else the one that holds labels; `None` where it is not clear."""
    named = [column.name for column in columns if column.name.strip().casefold() in ANSWER_NAMES]
    if named:
        return named[0] if len(named) == 1 else None
    labels = [column.name for column in columns if column.label_like]
    return labels[0] if len(labels) == 1 else None


def _question_column(columns: Sequence[_Column]) -> str:
    """The first column that is called like a question, else the one with the longest texts."""
    named = [column.name for column in columns if column.name.strip().casefold() in QUESTION_NAMES]
    return named[0] if named else max(columns, key=lambda column: column.mean_characters).name


def _no_such_column(option: str, named: str, names: Sequence[str]) -> DataError:
    return DataError(
        field=option,
        value=named,
        rule=f"is not a column that is filled with text; those are {', '.join(f'`{name}`' for name in names)}",
        way_out="name one of these columns",
    )
