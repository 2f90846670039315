"""What a stream of the mixture is: documents, and their share of all tokens.

In: rows, wherever they are kept, as far as their lengths are known. Out: the noun that a plan reckons with and a stream
draws from.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from forgetless.errors import DataError
from forgetless.records import StreamKind

REPLAY: Final = "replay"
"""The stream of replay rows, or of those that hold no one capability; see `replay_of`."""


def replay_of(capability: str) -> str:
    """The name of the stream of replay rows that hold one capability."""
    return f"{REPLAY}/{capability}"


class Documents(Protocol):
    """The rows of one stream, of which each gives one document, several or none."""

    def __len__(self) -> int:
        """How many rows there are."""
        ...

    def lengths(self, row: int) -> Sequence[int]:
        """The tokens of each document that a row gives."""
        ...


class KnownLengths:
    """Rows of one document each, whose lengths are all known."""

    def __init__(self, lengths: npt.NDArray[np.int64]) -> None:
        self._lengths = lengths

    def __len__(self) -> int:
        return len(self._lengths)

    def lengths(self, row: int) -> Sequence[int]:
        """The length of its one document."""
        return (int(self._lengths[row]),)


@dataclass(frozen=True, slots=True, eq=False)
class StreamSpec:
    """One stream: its share of all tokens, and its documents.

    `lengths` are those of the documents that were measured beforehand, all of them or a sample; `tokens` is what one
    pass over the stream holds, known up to the standard error `tokens_error`. `fingerprint` stands for the content of
    the documents, so that a run is never resumed on other data.
    """

    name: str
    kind: StreamKind
    share: float
    documents: Documents
    lengths: npt.NDArray[np.int64]
    tokens: int
    fingerprint: str
    tokens_error: int = 0

    @classmethod
    def known(
        cls, name: str, kind: StreamKind, share: float, lengths: npt.NDArray[np.int64], fingerprint: str
    ) -> StreamSpec:
        """A stream of which every length is known."""
        return cls(name, kind, share, KnownLengths(lengths), lengths, int(lengths.sum()), fingerprint)

    def rehearsed(self) -> StreamSpec:
        """The stream as far as it was measured, to see how it will pack without reading a row."""
        return dataclasses.replace(self, documents=KnownLengths(self.lengths))


def check_lengths(spec: StreamSpec, bin_tokens: int) -> None:
    """Make sure that there is something to draw, and that every bin can hold it.

    Raises:
        DataError: There are no documents, or one that no bin can hold.
    """
    if not len(spec.documents):
        raise DataError(
            field=f"sources.{spec.name}",
            value="0 documents",
            rule="no row is left to train on",
            way_out="see the rejects, or leave the source out",
        )
    if int(spec.lengths.min()) < 1 or int(spec.lengths.max()) > bin_tokens:
        raise DataError(
            field=f"sources.{spec.name}",
            value=f"documents of {int(spec.lengths.min()):,} to {int(spec.lengths.max()):,} tokens",
            rule=f"a document has 1 to {bin_tokens:,} tokens",
            way_out="shorten the long documents, or raise `training.max_length_tokens`",
        )
