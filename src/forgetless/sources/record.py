"""What a reader hands on: a record that could be read, or a reject that says why not.

A line of a file ends up as exactly one of the two, so a row can be refused but never lost.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from forgetless.errors import ForgetlessError

_PREVIEW_CHARACTERS = 200


class Record(NamedTuple):
    """The named fields of one record as they stand in the file, and where that is.

    `origin` is `path:line`, of a Parquet file `path:row`, of a hub dataset `owner/name/split:row`, counted from 1.
    """

    origin: str
    fields: dict[str, Any]


class Reject(NamedTuple):
    """A record that did not become a row: where it stands (see `Record`), why, and how it begins."""

    origin: str
    reason: str
    preview: str


class UnfitRecordError(ForgetlessError):
    """One record cannot be used; its message is the reason that the reject will carry."""


def preview(content: str | Mapping[str, Any] | object) -> str:
    """The beginning of a line or record on one line, fit to be written to any file."""
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, default=str)
    text = " ".join(text[: 2 * _PREVIEW_CHARACTERS].split())
    shortened = text if len(text) <= _PREVIEW_CHARACTERS else text[: _PREVIEW_CHARACTERS - 3] + "..."
    return shortened.encode("utf-8", "replace").decode("utf-8")
