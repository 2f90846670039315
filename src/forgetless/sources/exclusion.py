"""Rows that would give an item's answer away are left out and counted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

import numpy as np

from forgetless.records import Row
from forgetless.sources.rows import Rows, as_rows


def remove_items(
    rows: Iterable[Row], keys: Collection[str], quotes: Callable[[str], bool] = lambda text: False
) -> tuple[Rows, int]:
    """Leave out the rows that ask what an item asks.

    Args:
        rows: Training rows.
        keys: The `prompt_key` of every item that must not be trained on.
        quotes: Whether a text holds one of their questions (`Quotes.found_in`): raw text has no prompt to compare.

    Returns:
        The rows that stay, and how many were left out. A conversation goes if it asks the question as a whole or in
        any one of its turns, raw text if it holds the question word for word.
    """
    rows = as_rows(rows)
    gone = rows.asking(keys)
    for number in np.flatnonzero(rows.is_text):
        gone[number] = quotes(rows[int(number)].text or "")
    return rows.select(~gone), int(gone.sum())
