"""Templates over columns: `{column}` in, the column's text out.

Only `{name}` is special, and only where the name is a column or could be one, so a completion may be a piece of JSON
without its braces being doubled: `{"intent": "{category}"}`. A value is put in once and is not searched again.
"""

from __future__ import annotations

import difflib
import functools
import math
import re
from collections.abc import Collection, Mapping
from datetime import date, time
from decimal import Decimal
from typing import Any

from forgetless.errors import DataError
from forgetless.sources.record import UnfitRecordError

_IDENTIFIER = r"[^\W\d]\w*"
_SURROGATE = re.compile("[\ud800-\udfff]")


def fill(template: str, fields: Mapping[str, Any], *, field: str) -> str:
    """The template with every `{column}` replaced by the text of that field.

    Args:
        template: Text with `{column}` in it. Other braces stay as they are.
        fields: One record.
        field: The recipe field that holds the template, for errors.

    Raises:
        DataError: A `{name}` is not a column, or a column that is used holds no text (null, a list, an object).
    """
    used = columns_used(template, fields, field=field)
    try:
        texts = {name: column_text(fields, name) for name in used}
    except UnfitRecordError as reason:
        raise DataError(
            field=field,
            value=template,
            rule=str(reason),
            way_out="mend the record, or use another column in the template",
        ) from None
    return _placeholders(frozenset(fields)).sub(lambda match: texts[match[1]], template)


def columns_used(template: str, columns: Collection[str], *, field: str) -> tuple[str, ...]:
    """The columns that a template uses, in the order of their first use.

    Raises:
        DataError: A `{name}` in the template is not among the columns.
    """
    names = tuple(dict.fromkeys(match[1] for match in _placeholders(frozenset(columns)).finditer(template)))
    for name in names:
        if name not in columns:
            raise _unknown_column(name, columns, template=template, field=field)
    return names


def column_text(fields: Mapping[str, Any], name: str) -> str:
    """The text of one field.

    Raises:
        UnfitRecordError: The field is missing, or holds no text.
    """
    if name not in fields:
        raise UnfitRecordError(f"there is no `{name}`")
    return value_text(fields[name], name)


def value_text(value: object, name: str) -> str:
    """A value as text: text as it is, numbers and truth values as JSON writes them, dates and times by ISO 8601.

    `name` is what errors call it.

    Raises:
        UnfitRecordError: The value is null, a list, an object, not a finite number, or text that no encoding can hold.
    """
    if isinstance(value, str):
        if not is_text(value):
            raise UnfitRecordError(f"`{name}` holds half of a surrogate pair, which is not a character")
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    if isinstance(value, Decimal) and value.is_finite():
        return f"{value:f}"
    if isinstance(value, (date, time)):
        return value.isoformat()
    raise UnfitRecordError(f"`{name}` is {_kind_of(value)}, not text")


def is_text(text: str) -> bool:
    """Whether every character is one: broken JSON escapes leave halves of surrogate pairs, which no encoding holds."""
    return text.isascii() or _SURROGATE.search(text) is None


def _kind_of(value: object) -> str:
    if value is None:
        return "null"
    return {list: "a list", dict: "an object", float: "not a finite number"}.get(type(value), type(value).__name__)


@functools.lru_cache(maxsize=256)
def _placeholders(columns: frozenset[str]) -> re.Pattern[str]:
    # Known columns come first, so that names which are no identifiers ("Question text") are found as well. A column
    # without a name (a CSV index) is left out: `{}` is an empty JSON object.
    known = (re.escape(name) for name in sorted(columns) if name)
    return re.compile(r"\{(" + "|".join((*known, _IDENTIFIER)) + r")\}")


def _unknown_column(name: str, columns: Collection[str], *, template: str, field: str) -> DataError:
    near = difflib.get_close_matches(name, list(columns), n=1, cutoff=0.5)
    return DataError(
        field=field,
        value=template,
        rule=f"`{{{name}}}` is not a column; the columns are {', '.join(f'`{c}`' for c in columns)}",
        way_out=f"did you mean `{{{near[0]}}}`?" if near else "write one of these columns in the braces",
    )
