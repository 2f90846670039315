"""Prompt files in, the prompts in them out: what a user asked, without what anybody answered."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from pathlib import Path

from forgetless.recipe import FileSettings
from forgetless.records import Message, Row
from forgetless.sources import load_source

Prompt = tuple[Message, ...]


def given_prompts(files: Mapping[str, FileSettings], *, folder: Path, seed: int) -> Iterator[Prompt]:
    """The prompts of all files in an order shuffled by `seed`.

    Args:
        files: Prompt files in any shape that training rows may have, by the field that names them in errors; answers
            in them are left aside.
        folder: The folder of the recipe, which relative paths start from.
        seed: Fixes the order.

    Raises:
        DataError: A file cannot be read.
    """
    prompts: list[Prompt] = []
    for field, settings in files.items():
        rows = load_source(field, settings, kind="replay", folder=folder, field=field).rows
        prompts += [prompt for prompt in map(prompt_of, rows) if prompt]
    random.Random(f"replay prompts:{seed}").shuffle(prompts)
    return iter(prompts)


def prompt_of(row: Row) -> Prompt:
    """The turns before the first answer, up to the last thing that the user says there; raw text is what a user says.

    Empty where the user says nothing before the first answer.
    """
    if row.text is not None:
        return (Message("user", row.text),) if row.text.strip() else ()
    opening: list[Message] = []
    for message in row.messages:
        if message.role == "assistant":
            break
        opening.append(message)
    while opening and not (opening[-1].role == "user" and opening[-1].content.strip()):
        opening.pop()
    return tuple(opening)
