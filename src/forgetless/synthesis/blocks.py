"""Long work in blocks, each kept on disk as soon as it is done, so that a kill loses at most one of them.

A folder and a way to make the texts of a block go in; the texts come out, made or found. The folder's name must be a
hash of everything that the texts depend on: a block found in it is then as good as one made anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from forgetless.progress import Progress
from forgetless.rundir import atomic_write, content_hash

T = TypeVar("T")

_BLOCK_TOKENS = 32_768
_SMALLEST, _LARGEST = 16, 1024
_ROUNDS_AT_ONCE = 8


class Block(NamedTuple):
    """The texts of one block, and whether they were found on disk."""

    texts: list[str]
    found: bool


def block_rows(tokens_per_row: int, *, at_once: int = 1) -> int:
    """Rows in one block: about 32,768 tokens, minutes for a large model and still a full batch for a small one.

    Of an engine that answers `at_once` rows side by side a block takes eight times as many: at the end of every block
    it waits for the slowest row.
    """
    return max(_SMALLEST, min(_LARGEST, max(_BLOCK_TOKENS // tokens_per_row, _ROUNDS_AT_ONCE * at_once)))


def block_seed(seed: int, stage: str, index: int) -> int:
    """The seed of one block, so that a block can be made without those before it. Below 2^31."""
    return int(content_hash("block", seed, stage, index)[:8], 16) >> 1


def find_or_make(folder: Path, index: int, rows: int, make: Callable[[], list[str]]) -> Block:
    """The texts of a block from its file, or from `make`, whose texts are then kept.

    A file that does not hold `rows` texts is made anew.
    """
    found = find(folder, index, rows)
    if found is not None:
        return Block(found, found=True)
    texts = make()
    assert len(texts) == rows, f"a block of {rows} rows got {len(texts)} texts"
    atomic_write(_path(folder, index), json.dumps(texts, ensure_ascii=False))
    return Block(texts, found=False)


def find(folder: Path, index: int, rows: int) -> list[str] | None:
    """The texts of a block that is kept whole, or `None`."""
    texts = _read(_path(folder, index))
    return texts if texts is not None and len(texts) == rows else None


def answer_blocks(
    asked: Sequence[T],
    size: int,
    answer: Callable[[Sequence[T], int, Progress], list[str]],
    *,
    folder: Path,
    seed: int,
    progress: Progress | None,
) -> Iterator[Block]:
    """The answers to everything that is asked, block by block.

    Args:
        asked: What is asked.
        size: Rows in a block.
        answer: Answers one block; called with its part of `asked`, its seed, and whom to tell of progress within it.
        folder: Keeps the blocks.
        seed: Seeds the blocks.
        progress: Called as answers come.
    """
    for index, start in enumerate(range(0, len(asked), size)):
        part = asked[start : start + size]

        def within(done: int, _: int, start: int = start) -> None:
            if progress is not None:
                progress(start + done, len(asked))

        def make(part: Sequence[T] = part, index: int = index, within: Progress = within) -> list[str]:
            return answer(part, block_seed(seed, "answers", index), within)

        yield find_or_make(folder, index, len(part), make)
        within(len(part), len(part))


def _path(folder: Path, index: int) -> Path:
    return folder / f"{index:05d}.json"


def _read(path: Path) -> list[str] | None:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return data if isinstance(data, list) and all(isinstance(text, str) for text in data) else None
