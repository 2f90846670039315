"""Which sequences go through the model together.

Sequences are sorted by length, so that a batch holds neighbours and little padding, the longest first, so that a batch
that does not fit into memory fails at once and not at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch

T = TypeVar("T")

LOGITS_PER_BATCH = 1 << 27
"""The most logits that exist at once (half a gigabyte in float32): wide vocabularies make smaller batches."""


def pass_tokens(device: torch.device) -> int:
    """How many tokens a pass through the model costs beside those that it reads.

    Every pass calls each layer and moves all weights once. Batches are cut where padding would cost more. The figures
    are of the right size for models from 0.1 to 10 billion weights; results do not hang on them.
    """
    return 64 if device.type == "cpu" else 2048


def length_sorted_batches(lengths: Sequence[int], *, batch_tokens: int, most_rows: int) -> Iterator[list[int]]:
    """Yields the indices of each batch: rows times the longest length is at most `batch_tokens`, but for single rows.

    Args:
        lengths: Tokens of each sequence, with what is to be generated.
        batch_tokens: The budget of a batch, padding included.
        most_rows: The most rows of a batch.
    """
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and (len(batch) == most_rows or (len(batch) + 1) * lengths[batch[0]] > batch_tokens):
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def lightly_padded(
    rows: Sequence[T], length: Callable[[T], int], *, fits: Callable[[Sequence[T]], bool], pass_tokens: int
) -> Iterator[list[T]]:
    """Cuts rows into batches, the longest first, wherever padding would cost more than one more pass.

    Args:
        rows: In any order; rows of one length stay in theirs.
        length: Tokens of a row that are to be read.
        fits: Whether rows may be in the model at once, the longest of them first. A single row goes in any case.
        pass_tokens: How many tokens a pass costs beside those that it reads.
    """
    batch: list[T] = []
    padding = 0
    for row in sorted(rows, key=lambda row: -length(row)):
        padding += length(batch[0]) - length(row) if batch else 0
        if batch and (padding > pass_tokens or not fits([*batch, row])):
            yield batch
            batch, padding = [], 0
        batch.append(row)
    if batch:
        yield batch


def left_padded(
    rows: Sequence[Sequence[int]], *, pad_id: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Ids of shape [rows, longest] that end together, and which of them are real; `None` when all are."""
    longest = max(map(len, rows))
    ids = torch.tensor([[pad_id] * (longest - len(row)) + list(row) for row in rows], device=device)
    if all(len(row) == longest for row in rows):
        return ids, None
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows], device=device)
    return ids, mask


def right_padded(rows: Sequence[Sequence[int]], *, filler: int, device: torch.device) -> torch.Tensor:
    """Ids of shape [rows, longest] that start together."""
    longest = max(map(len, rows))
    return torch.tensor([list(row) + [filler] * (longest - len(row)) for row in rows], device=device)
