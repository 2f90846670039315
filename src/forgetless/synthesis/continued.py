"""Texts in, their beginnings out, for a base model to continue.

Such a model knows no turns to answer; what it was trained to do is to go on. The beginnings are those of given texts,
or nothing at all, from which it writes a document of its own.
"""

from __future__ import annotations

import random
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from forgetless.errors import DataError, RecipeError
from forgetless.recipe import ReplaySettings
from forgetless.sources import load_source

if TYPE_CHECKING:
    from forgetless.tokens import ChatFormat


def continues_texts(settings: ReplaySettings, format: ChatFormat) -> bool:
    """Whether the base continues raw texts in place of answering prompts: it is asked to, or knows no turns."""
    return settings.raw_text or format.template is None


def beginnings(settings: ReplaySettings, format: ChatFormat, *, folder: Path, seed: int) -> list[str]:
    """At most `settings.rows` beginnings, each half of its text and at most `max_prompt_tokens` long.

    Args:
        settings: Files with texts, and `self`, whose beginnings are empty.
        format: Counts tokens.
        folder: The folder of the recipe, which relative paths start from.
        seed: Fixes which texts are taken, and their order.

    Raises:
        DataError: A file cannot be read, or no text is long enough to be begun.
        RecipeError: A file holds conversations, where `raw_text` asks for texts.
        ModelError: A file holds conversations, and there is no chat template.
    """
    texts: list[str] = []
    for field, files in settings.prompt_files.items():
        for row in load_source(field, files, kind="text", folder=folder, field=field).rows:
            if row.text is None:
                raise _no_text(settings, row.origin or row.id, field, format)
            texts.append(row.text)
    random.Random(f"replay texts:{seed}").shuffle(texts)
    begun = (format.beginning(text, most_tokens=settings.max_prompt_tokens) for text in texts)
    chosen = list(islice(dict.fromkeys(text for text in begun if text), settings.rows))
    if settings.writes_prompts:
        chosen += [""] * (settings.rows - len(chosen))
    if not chosen:
        raise DataError(
            field="replay.prompts",
            value=f"{len(texts):,} texts",
            rule="none of them is long enough to be begun and continued",
            way_out="give longer texts, or let the model write its own (`prompts: self`)",
        )
    return chosen


def _no_text(settings: ReplaySettings, origin: str, field: str, format: ChatFormat) -> RecipeError:
    if not settings.raw_text:
        format.require_template()
    return RecipeError(
        field=field,
        value=origin,
        rule="is a conversation, and `replay.raw_text: true` continues texts",
        way_out="give text files or records with a `text`, or remove `raw_text`",
    )
