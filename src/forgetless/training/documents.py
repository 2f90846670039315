"""The documents of one stream: encoded when they are asked for, measured beforehand as far as a plan needs it.

In: rows, wherever they are kept, and the chat format. Out: documents by number, with the last few of them held, and
what was found when all rows (or of many rows a sample) were encoded once: how long they are and which cannot be used.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from forgetless.recipe import TrainingSettings
from forgetless.sources import Rows
from forgetless.tokens import Account, ChatFormat, Encoded, TokenReject, account_of, encode_rows

MOST_MEASURED = 20_000
"""Rows that are all measured; the plan of such a run is exact."""

SAMPLE_ROWS = 2_000
"""Of more rows, how many are: at a spread as large as the mean, the tokens are known to 2.2 %."""

_HELD_TOKENS = 1 << 20


class EncodedRows:
    """Documents by number: the n-th document of a row (from 0) has the number of the row + n · rows.

    Args:
        rows: The rows.
        chat_format: How the model writes them.
        settings: How long a document may be, and what becomes of longer ones.

    Attributes:
        on_left_out: Told of every row that is asked for and gives no document, as often as it is encoded.
    """

    def __init__(self, rows: Rows, chat_format: ChatFormat, settings: TrainingSettings) -> None:
        self.on_left_out: Callable[[TokenReject], None] | None = None
        self._rows = rows
        self._format = chat_format
        self._settings = settings
        self._held: OrderedDict[int, Sequence[Encoded]] = OrderedDict()
        self._held_tokens = 0

    def __getstate__(self) -> dict[str, Any]:
        """For another process, which holds its own documents and tells nobody."""
        return {**vars(self), "on_left_out": None, "_held": OrderedDict(), "_held_tokens": 0}

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, number: int) -> Encoded:
        number, row = divmod(number, len(self._rows))
        return self.of_row(row)[number]

    def numbers(self) -> list[int]:
        """The numbers of all documents, rising; every row is encoded for it."""
        counts = [len(self.of_row(row)) for row in range(len(self))]
        return sorted(row + n * len(self) for row, count in enumerate(counts) for n in range(count))

    def lengths(self, row: int) -> Sequence[int]:
        """The tokens of each document that a row gives."""
        return [len(document.input_ids) for document in self.of_row(row)]

    def of_row(self, row: int) -> Sequence[Encoded]:
        """The documents that a row gives."""
        if row in self._held:
            self._held.move_to_end(row)
            return self._held[row]
        documents, left_out = self.encode(row)
        if left_out is not None and self.on_left_out is not None:
            self.on_left_out(left_out)
        self.hold(row, documents)
        return documents

    def hold(self, row: int, documents: Sequence[Encoded]) -> None:
        """Keep the documents that a row gives at hand, in place of those that nobody asked for the longest."""
        self._held[row] = documents
        self._held_tokens += _tokens(documents)
        while self._held_tokens > _HELD_TOKENS and len(self._held) > 1:
            self._held_tokens -= _tokens(self._held.popitem(last=False)[1])

    def among(self, rows: npt.NDArray[np.int64]) -> EncodedRows:
        """Those of some rows, given rising, by their new numbers; what is held of them stays held."""
        chosen = EncodedRows(self._rows.select(rows), self._format, self._settings)
        for row, documents in self._held.items():
            place = int(np.searchsorted(rows, row))
            if place < len(rows) and rows[place] == row:
                chosen.hold(place, documents)
        return chosen

    def encode(self, row: int) -> tuple[Sequence[Encoded], TokenReject | None]:
        """The documents that a row gives, or why it gives none."""
        documents, left_out = encode_rows(
            [self._rows[row]],
            self._format,
            max_length=self._settings.max_length_tokens,
            long_rows=self._settings.long_rows,
            long_texts=self._settings.long_texts,
        )
        return documents, left_out[0] if left_out else None


@dataclass(frozen=True, slots=True)
class MeasuredRows:
    """What the rows of a stream are, as far as they were encoded beforehand.

    Attributes:
        documents: Those of all rows but the `rejects`.
        lengths: Of the documents that were encoded.
        tokens: Of one pass over all rows.
        tokens_error: Their standard error; 0 where all rows were encoded.
        rejects: Rows that were encoded and gave no document.
        account: What became of the rows that were encoded.
        fingerprint: Changes with any row, and with any token or label of those that were encoded.
    """

    documents: EncodedRows
    lengths: npt.NDArray[np.int64]
    tokens: int
    tokens_error: int
    rejects: tuple[TokenReject, ...]
    account: Account
    fingerprint: str


def measure_rows(
    rows: Rows, chat_format: ChatFormat, settings: TrainingSettings, *, stand_ins: bool = False
) -> MeasuredRows:
    """Encode all rows, or a sample of very many, and keep what a plan needs to know of them.

    Args:
        rows: The rows.
        chat_format: How the model writes them.
        settings: How long a document may be, and what becomes of longer ones.
        stand_ins: Whether the rows stand for others that are yet to be written: a sample says as much of those.

    Raises:
        ModelError: There is a conversation, and no chat template to write it with.
    """
    everything = EncodedRows(rows, chat_format, settings)
    most = SAMPLE_ROWS if stand_ins else MOST_MEASURED
    chosen = rows.sample(len(rows) if len(rows) <= most else SAMPLE_ROWS)
    rejects, unusable, row_tokens, bare = list[TokenReject](), [], [], list[Encoded]()
    lengths = list[int]()
    digest = hashlib.blake2b(rows.fingerprint.encode(), digest_size=16)
    for number in chosen:
        documents, left_out = everything.encode(int(number))
        if left_out is not None:
            rejects.append(left_out)
            unusable.append(number)
        else:
            everything.hold(int(number), documents)
        row_tokens.append(_tokens(documents))
        lengths += [len(document.input_ids) for document in documents]
        for document in documents:
            digest.update(document.row_id.encode())
            digest.update(np.array([document.input_ids, document.labels], dtype="<i8").tobytes())
        bare += [dataclasses.replace(document, input_ids=[], labels=[]) for document in documents]
    usable = np.setdiff1d(np.arange(len(rows)), np.array(unusable, dtype=np.int64))
    counted = np.array(row_tokens, dtype=np.float64)
    account = account_of(bare, rejects)
    if len(chosen) < len(rows):
        account = dataclasses.replace(account, sampled_from=len(rows))
    return MeasuredRows(
        documents=everything.among(usable),
        lengths=np.array(lengths, dtype=np.int64),
        tokens=round(counted.sum() * len(rows) / max(1, len(chosen))),
        tokens_error=round(_standard_error(counted, of=len(rows))),
        rejects=tuple(rejects),
        account=account,
        fingerprint=digest.hexdigest(),
    )


def _standard_error(sample: npt.NDArray[np.float64], *, of: int) -> float:
    """Of a total over `of` rows that is estimated from some of them, drawn without replacement."""
    n = len(sample)
    if n == of:
        return 0.0
    return of * math.sqrt(float(sample.var(ddof=1)) / n * (1 - n / of))


def _tokens(documents: Sequence[Encoded]) -> int:
    return sum(len(document.input_ids) for document in documents)
