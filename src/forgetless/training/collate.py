"""From bins of documents to one batch of tensors.

In: bins, each a list of documents that share a row. Out: the batch that the trainer feeds to the model, and next to
it the same replay documents once more, in rows of their own, for the reference model: it never sees a token that it
is not asked about.

There is no attention mask: `position_ids` that start anew with every document are what keeps documents apart, and a
mask of ones would undo that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from forgetless.records import StreamKind
from forgetless.tokens.encoded import IGNORED
from forgetless.training.blend import Held
from forgetless.training.isolation import Layout

Bin = Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Collator:
    """Lays bins out as a batch.

    Args:
        documents: For each stream its documents.
        kinds: The kind of each stream.
        pad_id: Fills rows that are shorter than the longest one.
        kl_tokens: Whether the KL covers the labelled tokens of a replay document, or all but its first.
        layout: Whether the documents of a bin share a row, each has its own (for models that would let them see each
            other), or all documents of a batch share one row (for flash attention).
    """

    documents: Sequence[Held]
    kinds: Sequence[StreamKind]
    pad_id: int
    kl_tokens: Literal["answer", "all"] = "answer"
    layout: Layout = "packed"

    def __call__(self, bins: Sequence[Bin]) -> dict[str, Tensor]:
        """One batch.

        Returns:
            `input_ids`, `position_ids`, `labels`, `stream_ids` and `kl_mask`, all `[B, L]`, and, when there are
            replay documents, `reference_input_ids`, `reference_position_ids` and `reference_mask`, all `[B', L']`.
            In the flat layout B and B' are 1.

            Both masks and `labels` speak of the token at their own position, which the position before it predicts;
            the first token of a document has neither. Replay documents have no labels: they are held by KL alone.
            The n-th true position of `kl_mask` and of `reference_mask`, row by row, is the same token.
        """
        drawn = [document for b in bins for document in b]
        groups = {"packed": bins, "alone": [[document] for document in drawn], "flat": [drawn]}[self.layout]
        rows = [self._row(group) for group in groups if group]
        replay = [document for document in drawn if self.kinds[document[0]] == "replay"]
        batch = _stack(rows, self.pad_id)
        batch["kl_mask"] = batch.pop("mask")
        if replay:
            reference = _stack(self._reference_rows(replay, longest=batch["input_ids"].shape[1]), self.pad_id)
            batch["reference_input_ids"] = reference["input_ids"]
            batch["reference_position_ids"] = reference["position_ids"]
            batch["reference_mask"] = reference["mask"]
        return batch

    def _row(self, documents: Bin) -> _Row:
        row = _Row([], [], [], [], [])
        for stream, index in documents:
            document = self.documents[stream][index]
            length = len(document.input_ids)
            labels = [IGNORED, *document.labels[1:]]
            mask = [False] * length
            if self.kinds[stream] == "replay":
                mask = self._replay_mask(labels)
                labels = [IGNORED] * length
            row.input_ids.extend(document.input_ids)
            row.position_ids.extend(range(length))
            row.labels.extend(labels)
            row.stream_ids.extend([stream] * length)
            row.mask.extend(mask)
        return row

    def _replay_mask(self, labels: Sequence[int]) -> list[bool]:
        if self.kl_tokens == "all":
            return [position > 0 for position in range(len(labels))]
        return [label != IGNORED for label in labels]

    def _reference_rows(self, replay: Bin, *, longest: int) -> list[_Row]:
        """The replay documents in rows of at most `longest` tokens, in the order in which the batch holds them.

        In the flat layout, where the batch is one row as long as all its documents, that is one row as well.
        """
        groups: list[list[tuple[int, int]]] = [[]]
        room = longest
        for stream, index in replay:
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


def _stack(rows: Iterable[_Row], pad_id: int) -> dict[str, Tensor]:
    """Rows padded to the longest; the padding of a row is a document of its own, that nothing is asked of.

    Without any row the batch is two padding tokens: a process that has no bin left still takes part in the step.
    """
    rows = list(rows) or [_Row([], [], [], [], [])]
    longest = max(2, *(len(row.input_ids) for row in rows))
    columns: dict[str, list[list[int]]] = {name: [] for name in _Row._fields}
    for row in rows:
        padding = longest - len(row.input_ids)
        columns["input_ids"].append(row.input_ids + [pad_id] * padding)
        columns["position_ids"].append(row.position_ids + list(range(padding)))
        columns["labels"].append(row.labels + [IGNORED] * padding)
        columns["stream_ids"].append(row.stream_ids + [-1] * padding)
        columns["mask"].append([*row.mask, *[False] * padding])
    return {
        name: torch.tensor(values, dtype=torch.bool if name == "mask" else torch.long)
        for name, values in columns.items()
    }
