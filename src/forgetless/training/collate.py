"""From bins of documents to one batch of tensors.

In: bins, each a list of documents that share a row. Out: the batch that the trainer feeds to the model, and next to
it the documents that are held by KL once more, in rows of their own, for the reference model: it never sees a document
that it is not asked about.

There is no attention mask: `position_ids` that start anew with every document are what keeps documents apart, and a
mask of ones would undo that.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from forgetless.records import StreamKind
from forgetless.tokens.encoded import IGNORED
from forgetless.training.blend import DocumentStore
from forgetless.training.isolation import Layout

Bin = Sequence[tuple[int, int]]

_REPLAY: frozenset[StreamKind] = frozenset({"replay"})


@dataclass(frozen=True, slots=True)
class Collator:
    """Lays bins out as a batch.

    Args:
        documents: For each stream its documents.
        kinds: The kind of each stream.
        pad_id: Fills rows that are shorter than the longest one.
        held: The kinds of documents that a KL term holds.
        kl_tokens: Whether the KL covers the labelled tokens of a held document, or all but its first.
        layout: Whether the documents of a bin share a row, each has its own (for models that would let them see each
            other), or all documents of a batch share one row (for flash attention).
        weights: For some streams, for each document a weight for each token. A label of weight 0 is left out.
        top_k: Gives, as columns, what the base is known to say of the held tokens of some documents, so that it need
            not read them.
    """

    documents: Sequence[DocumentStore]
    kinds: Sequence[StreamKind]
    pad_id: int
    held: Collection[StreamKind] = _REPLAY
    kl_tokens: Literal["answer", "all"] = "answer"
    layout: Layout = "packed"
    weights: Mapping[int, Mapping[int, npt.NDArray[np.float32]]] = field(default_factory=dict)
    top_k: Callable[[Bin], dict[str, Tensor]] | None = None

    def __call__(self, bins: Sequence[Bin]) -> dict[str, Tensor]:
        """One batch.

        Returns:
            `input_ids`, `position_ids`, `labels`, `stream_ids` and `kl_mask`, all `[B, L]`, and, when there are
            held documents, `reference_input_ids`, `reference_position_ids` and `reference_mask`, all `[B', L']`, or
            what `top_k` gives. In the flat layout B and B' are 1. Where there are any weights, `weights` `[B, L]`
            has that of every token, 1 in streams that have none.

            Both masks and `labels` speak of the token at their own position, which the position before it predicts;
            the first token of a document has neither. Replay documents have no labels: they are held, and not learned.
            The n-th true position of `kl_mask` and of `reference_mask`, row by row, is the same token, and so is the
            n-th of what `top_k` gives.
        """
        drawn = [document for b in bins for document in b]
        groups = {"packed": bins, "alone": [[document] for document in drawn], "flat": [drawn]}[self.layout]
        rows = [self._row(group) for group in groups if group]
        held = [document for document in drawn if self.kinds[document[0]] in self.held]
        batch = _stack(rows, self.pad_id)
        batch["kl_mask"] = batch.pop("mask")
        if not self.weights:
            del batch["weights"]
        if held and self.top_k is not None:
            batch |= self.top_k(held)
        elif held:
            batch |= self.reference_columns(held, longest=batch["input_ids"].shape[1])
        return batch

    def reference_columns(self, held: Bin, *, longest: int) -> dict[str, Tensor]:
        """DocumentStore documents in rows of at most `longest` tokens, in their order, for the base to read."""
        rows = _stack(self._reference_rows(held, longest=longest), self.pad_id)
        return {f"reference_{name}": rows[name] for name in ("input_ids", "position_ids", "mask")}

    def _row(self, documents: Bin) -> _Row:
        row = _Row([], [], [], [], [], [])
        for stream, index in documents:
            document = self.documents[stream][index]
            length = len(document.input_ids)
            labels = [IGNORED, *document.labels[1:]]
            mask = self.kl_mask(labels) if self.kinds[stream] in self.held else [False] * length
            weights = self.weights[stream][index].tolist() if stream in self.weights else [1.0] * length
            if self.kinds[stream] == "replay":
                labels = [IGNORED] * length
            labels = [IGNORED if weight == 0.0 else label for label, weight in zip(labels, weights, strict=True)]
            row.input_ids.extend(document.input_ids)
            row.position_ids.extend(range(length))
            row.labels.extend(labels)
            row.stream_ids.extend([stream] * length)
            row.mask.extend(mask)
            row.weights.extend(weights)
        return row

    def kl_mask(self, labels: Sequence[int]) -> list[bool]:
        """Which tokens of a held document a KL term is about."""
        return [position > 0 and (self.kl_tokens == "all" or label != IGNORED) for position, label in enumerate(labels)]

    def _reference_rows(self, held: Bin, *, longest: int) -> list[_Row]:
        """The held documents in rows of at most `longest` tokens, in the order in which the batch holds them.

        In the flat layout, where the batch is one row as long as all its documents, that is one row as well.
        """
        groups: list[list[tuple[int, int]]] = [[]]
        room = longest
        for stream, index in held:
            length = len(self.documents[stream][index].input_ids)
            if groups[-1] and (length > room or self.layout == "alone"):
                groups.append([])
                room = longest
            groups[-1].append((stream, index))
            room -= length
        return [self._row(group) for group in groups]


class _Row(NamedTuple):
    input_ids: list[int]
    position_ids: list[int]
    labels: list[int]
    stream_ids: list[int]
    mask: list[bool]
    weights: list[float]


_DTYPES = {"mask": torch.bool, "weights": torch.float32}


def _stack(rows: Iterable[_Row], pad_id: int) -> dict[str, Tensor]:
    """Rows padded to the longest; the padding of a row is a document of its own, that nothing is asked of.

    Without any row the batch is two padding tokens: a process that has no bin left still takes part in the step.
    """
    rows = list(rows) or [_Row([], [], [], [], [], [])]
    longest = max(2, *(len(row.input_ids) for row in rows))
    columns: dict[str, list[list[Any]]] = {name: [] for name in _Row._fields}
    for row in rows:
        padding = longest - len(row.input_ids)
        columns["input_ids"].append(row.input_ids + [pad_id] * padding)
        columns["position_ids"].append(row.position_ids + list(range(padding)))
        columns["labels"].append(row.labels + [IGNORED] * padding)
        columns["stream_ids"].append(row.stream_ids + [-1] * padding)
        columns["mask"].append([*row.mask, *[False] * padding])
        columns["weights"].append(row.weights + [1.0] * padding)
    return {name: torch.tensor(values, dtype=_DTYPES.get(name, torch.long)) for name, values in columns.items()}
