"""Texts in, their beginnings out, for a model without a chat template to continue.

Such a model has no turns to answer; what it was trained to do is to go on. The beginnings are those of given texts, or
nothing at all, from which it writes a document of its own.
"""

from __future__ import annotations

import random
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from forgetless.errors import DataError
from forgetless.recipe import ReplaySettings
from forgetless.sources import load_source

if TYPE_CHECKING:
    from forgetless.tokens import ChatFormat


def beginnings(settings: ReplaySettings, format: ChatFormat, *, folder: Path, seed: int) -> list[str]:
    """At most `settings.rows` beginnings, each half of its text and at most `max_prompt_tokens` long.

    Args:
        settings: Files with texts, or `self`, whose beginnings are empty.
        format: Counts tokens.
        folder: The folder of the recipe, which relative paths start from.
        seed: Fixes which texts are taken, and their order.

    Raises:
        DataError: A file cannot be read, or no text is long enough to be begun.
        ModelError: A file holds conversations.
    """
    if settings.prompts == "self":
        return [""] * settings.rows
    texts: list[str] = []
    for i, files in enumerate(settings.prompts):
        field = f"replay.prompts.{i}"
        for row in load_source(field, files, kind="text", folder=folder, field=field).rows:
            if row.text is None:
                format.require_template()
            texts.append(row.text or "")
    random.Random(f"replay texts:{seed}").shuffle(texts)
    begun = (format.beginning(text, most_tokens=settings.max_prompt_tokens) for text in texts)
    chosen = list(islice(dict.fromkeys(text for text in begun if text), settings.rows))
    if not chosen:
        raise DataError(
            field="replay.prompts",
            value=f"{len(texts):,} texts",
            rule="none of them is long enough to be begun and continued",
            way_out="give longer texts, or let the model write its own (`prompts: self`)",
        )
    return chosen
