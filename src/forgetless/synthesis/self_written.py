"""A model in, prompts out that it wrote itself: its own chat template opens the user's turn, and the model goes on.

What a chat model writes there is a sample of what it was trained to be asked, so no data has to be found to hold it to
what it can do. The method is MAGPIE's (Xu et al. 2024, arXiv 2406.08464). Where it is to write prompts of one kind, the
user's turn has already begun in the way of that kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forgetless.recipe import ReplaySettings
from forgetless.records import Message
from forgetless.rundir import content_hash
from forgetless.sampling import Sampling
from forgetless.synthesis.blocks import block_rows, block_seed, find, find_or_make
from forgetless.synthesis.given import Prompt
from forgetless.synthesis.whole_prompts import whole_prompts

if TYPE_CHECKING:
    from forgetless.engines import Engine

MOST_PROMPTS_PER_ROW = 4
"""A model that repeats itself is asked for this many prompts for every row wanted, and then no more."""


class NotWrittenError(Exception):
    """A block of prompts is not kept, and only kept ones were asked for."""


@dataclass(frozen=True, slots=True)
class Author:
    """A model that writes prompts, block by block as they are asked for, each block kept as soon as it is written.

    Temperature and top-p are those of the answers, except that temperature 0, which would write one prompt over and
    over, counts as 1.

    Attributes:
        engine: Writes.
        settings: How to write, and how much.
        seed: Seeds the blocks.
        cache: The folder that keeps them.
        at_once: How many prompts the engine writes side by side.
        only_kept: Write nothing, and raise `NotWrittenError` where something would have to be written.
    """

    engine: Engine
    settings: ReplaySettings
    seed: int
    cache: Path
    at_once: int = 1
    only_kept: bool = False

    def own(self) -> Iterator[Prompt]:
        """Prompts in the order in which the model writes them.

        Raises:
            ModelError: Too few of them come to an end.
        """

        def write(index: int, size: int) -> list[str]:
            return write_prompts(self.engine, size, self.settings, seed=block_seed(self.seed, "prompts", index))

        return self._blocks(("replay prompts",), self.settings.rows, write)

    def begun(self, beginnings: Sequence[str], rows: int) -> Iterator[Prompt]:
        """Prompts that go on from the beginnings, which take turns, where `rows` of them are wanted.

        One that does not come to an end is not drawn again.
        """

        def write(index: int, size: int) -> list[str]:
            first = index * size % len(beginnings)
            begun = list(islice(cycle(beginnings), first, first + size))
            seed = block_seed(self.seed, "begun prompts", index)
            return self.engine.write_prompts(begun, max_new_tokens=self.settings.max_prompt_tokens,
                                             sampling=prompt_sampling(self.settings).seeded(seed))  # fmt: skip

        return self._blocks(("begun prompts", beginnings), rows, write)

    def _blocks(self, what: tuple[Any, ...], rows: int, write: Callable[[int, int], list[str]]) -> Iterator[Prompt]:
        """The prompts of all blocks, at most `MOST_PROMPTS_PER_ROW` for each row; `write` makes one of a size."""
        size = min(rows, block_rows(self.settings.max_prompt_tokens, at_once=self.at_once))
        engine = (self.engine.model_hash, self.engine.settings_hash)
        how = (self.settings.max_prompt_tokens, prompt_sampling(self.settings))
        folder = self.cache / content_hash(what[0], *engine, how, size, self.seed, *what[1:])
        for index in range(-(-MOST_PROMPTS_PER_ROW * rows // size)):
            yield from _as_prompts(self._block(folder, index, size, write))

    def _block(self, folder: Path, index: int, size: int, write: Callable[[int, int], list[str]]) -> list[str]:
        if not self.only_kept:
            return find_or_make(folder, index, size, lambda: write(index, size)).texts
        texts = find(folder, index, size)
        if texts is None:
            raise NotWrittenError
        return texts


def write_prompts(engine: Engine, n: int, settings: ReplaySettings, *, seed: int) -> list[str]:
    """`n` whole prompts that the model writes from nothing but the opening of the user's turn.

    Raises:
        ModelError: Too few of them come to an end.
    """

    def draw(count: int, seed: int) -> list[str]:
        return engine.write_prompts([""] * count, max_new_tokens=settings.max_prompt_tokens,
                                    sampling=prompt_sampling(settings).seeded(seed))  # fmt: skip

    return whole_prompts(n, draw, seed=seed, max_new_tokens=settings.max_prompt_tokens)


def prompt_sampling(settings: ReplaySettings) -> Sampling:
    """How prompts are drawn, seed apart."""
    return Sampling(settings.temperature or 1.0, settings.top_p)


def _as_prompts(texts: Iterable[str]) -> Iterator[Prompt]:
    return ((Message("user", text.strip()),) for text in texts if text.strip())
