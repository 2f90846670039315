"""A model in, prompts out that it wrote itself: its own chat template opens the user's turn, and the model goes on.

What a chat model writes there is a sample of what it was trained to be asked, so no data has to be found to hold it to
what it can do. The method is MAGPIE's (Xu et al. 2024, arXiv 2406.08464).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from forgetless.recipe import ReplaySettings
from forgetless.records import Message
from forgetless.rundir import content_hash
from forgetless.synthesis.blocks import block_rows, block_seed, find_or_make
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
    temperature = settings.temperature or 1.0
    size = min(settings.rows, block_rows(settings.max_prompt_tokens, at_once=at_once))
    sampling = {"max_new_tokens": settings.max_prompt_tokens, "temperature": temperature, "top_p": settings.top_p}
    folder = cache / content_hash("replay prompts", engine.model_hash, engine.settings_hash, sampling, size, seed)
    for index in range(-(-MOST_PROMPTS_PER_ROW * settings.rows // size)):

        def write(index: int = index) -> list[str]:
            return engine.write_prompts(
                size,
                max_new_tokens=settings.max_prompt_tokens,
                temperature=temperature,
                top_p=settings.top_p,
                seed=block_seed(seed, "prompts", index),
            )

        for text in find_or_make(folder, index, size, write).texts:
            if text.strip():
                yield (Message("user", text.strip()),)
