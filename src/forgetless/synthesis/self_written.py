"""A model in, prompts out that it wrote itself: its own chat template opens the user's turn, and the model goes on.

What a chat model writes there is a sample of what it was trained to be asked, so no data has to be found to hold it to
what it can do. The method is MAGPIE's (Xu et al. 2024, arXiv 2406.08464).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from forgetless.recipe import ReplaySettings
from forgetless.records import Message
from forgetless.rundir import content_hash
from forgetless.synthesis.blocks import block_rows, block_seed, find, find_or_make
from forgetless.synthesis.given import Prompt

if TYPE_CHECKING:
    from forgetless.engines import Engine

MOST_PROMPTS_PER_ROW = 4
"""A model that repeats itself is asked for this many prompts for every row wanted, and then no more."""


def self_written_prompts(
    engine: Engine, settings: ReplaySettings, *, seed: int, cache: Path, at_once: int = 1
) -> Iterator[Prompt]:
    """Prompts in the order in which the model writes them, block by block as they are asked for.

    Temperature and top-p are those of the answers, except that temperature 0, which would write one prompt over and
    over, counts as 1.
    """
    place = _place(engine, settings, seed, cache, at_once)
    for index in range(place.blocks):

        def write(index: int = index) -> list[str]:
            return engine.write_prompts(
                place.block_rows,
                max_new_tokens=settings.max_prompt_tokens,
                temperature=prompt_temperature(settings),
                top_p=settings.top_p,
                seed=block_seed(seed, "prompts", index),
            )

        yield from _as_prompts(find_or_make(place.folder, index, place.block_rows, write).texts)


def kept_prompts(
    engine: Engine, settings: ReplaySettings, *, seed: int, cache: Path, at_once: int = 1
) -> tuple[list[Prompt], bool]:
    """The prompts that `self_written_prompts` would find on disk, and whether there is none that it would write."""
    place, prompts = _place(engine, settings, seed, cache, at_once), list[Prompt]()
    for index in range(place.blocks):
        texts = find(place.folder, index, place.block_rows)
        if texts is None:
            return prompts, False
        prompts += _as_prompts(texts)
    return prompts, True


def prompt_temperature(settings: ReplaySettings) -> float:
    """The temperature at which prompts are written."""
    return settings.temperature or 1.0


class _Place(NamedTuple):
    """Where blocks of prompts are kept, how many there are at most, and the rows of each."""

    folder: Path
    blocks: int
    block_rows: int


def _place(engine: Engine, settings: ReplaySettings, seed: int, cache: Path, at_once: int) -> _Place:
    size = min(settings.rows, block_rows(settings.max_prompt_tokens, at_once=at_once))
    sampling = {
        "max_new_tokens": settings.max_prompt_tokens,
        "temperature": prompt_temperature(settings),
        "top_p": settings.top_p,
    }
    key = content_hash("replay prompts", engine.model_hash, engine.settings_hash, sampling, size, seed)
    return _Place(cache / key, -(-MOST_PROMPTS_PER_ROW * settings.rows // size), size)


def _as_prompts(texts: Iterable[str]) -> Iterator[Prompt]:
    return ((Message("user", text.strip()),) for text in texts if text.strip())
