"""Rows and the questions that a task will ask: rows that would give the answer away are left out and counted.

A question is known by the text of its user turns, compared without regard to case, width of characters and spacing.
In Chinese and Japanese text it makes no difference either whether there is a space at all.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Sequence

from forgetless.records import Message, Row
from forgetless.rundir import content_hash

SPACELESS = "\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Ideographs and kana, as a range of a regular expression: the characters of languages without spaces."""

_ANY_SPACELESS = re.compile(f"[{SPACELESS}]")
_SPACE_OF_NO_MEANING = re.compile(f" ?([{SPACELESS},:;?!]) ?")


def prompt_key(messages: Sequence[Message]) -> str:
    """A hash of what the user says, the same for prompts that differ only in case, width or white space."""
    return content_hash([_normalised(message.content) for message in messages if message.role == "user"])


def remove_items(
    rows: Sequence[Row], keys: Collection[str], quotes: Callable[[str], bool] = lambda text: False
) -> tuple[tuple[Row, ...], int]:
    """Leave out the rows that ask what an item asks.

    Args:
        rows: Training rows.
        keys: The `prompt_key` of every item that must not be trained on.
        quotes: Whether a text holds one of their questions (`Quotes.found_in`): raw text has no prompt to compare.

    Returns:
        The rows that stay, and how many were left out. A conversation goes if it asks the question as a whole or in
        any one of its turns, raw text if it holds the question word for word.
    """
    wanted = frozenset(keys)

    def asks(row: Row) -> bool:
        if row.text is not None:
            return quotes(row.text)
        return not wanted.isdisjoint(_keys_of(row))

    kept = tuple(row for row in rows if not asks(row))
    return kept, len(rows) - len(kept)


def _keys_of(row: Row) -> set[str]:
    asked = [message for message in row.messages if message.role == "user"]
    if not asked:
        return set()
    return {prompt_key(asked), *(prompt_key([message]) for message in asked)}


def _normalised(text: str) -> str:
    text = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return _SPACE_OF_NO_MEANING.sub(r"\1", text) if _ANY_SPACELESS.search(text) else text
