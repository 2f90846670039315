"""The base's predictions on replay rows, written once and read by every run.

In: the base and the replay documents. Out: for every token that is held, the base's k most likely tokens with their
log-probabilities and one bucket for all others, mapped from the cache folder. They are addressed by the base, the
documents and what is kept of them, so epochs, runs and sweeps share them.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from forgetless.losses import TopK, top_k
from forgetless.models import LoadedModel, attention_of
from forgetless.progress import Progress
from forgetless.recipe import TrainingSettings
from forgetless.rundir.arrays import Arrays, Form, kept_arrays
from forgetless.training.base_pass import BasePass
from forgetless.training.blend import Blend, DocumentStore
from forgetless.training.collate import Bin, Collator

_NUMBERS = np.dtype(np.float32)
_FIELD = "training.kl_reference"


@dataclass(frozen=True, slots=True)
class StoredTopK:
    """Predictions of all held tokens of replay.

    Attributes:
        starts: For each stream `[documents + 1]`, where the tokens of each document begin.
        ids: `[tokens, k]`.
        log_probabilities: `[tokens, k]`.
        tail: `[tokens]`; see `losses.TopK`.
    """

    starts: dict[int, npt.NDArray[np.int64]]
    ids: npt.NDArray[Any]
    log_probabilities: npt.NDArray[np.float32]
    tail: npt.NDArray[np.float32]

    def of(self, documents: Bin) -> TopK:
        """The predictions of some documents' tokens, in their order; documents are (stream, document)."""
        starts = ((self.starts[stream], index) for stream, index in documents)
        places = np.concatenate([np.arange(begin[index], begin[index + 1]) for begin, index in starts])
        return TopK(
            torch.from_numpy(self.ids[places].astype(np.int64)),
            torch.from_numpy(np.ascontiguousarray(self.log_probabilities[places])),
            torch.from_numpy(np.ascontiguousarray(self.tail[places])),
        )


def store_top_k(
    base: LoadedModel,
    blended: Blend,
    settings: TrainingSettings,
    collate: Collator,
    *,
    cache: Path,
    only: Collection[tuple[int, int]] | None = None,
    progress: Progress | None = None,
) -> StoredTopK:
    """Read the replay documents by the base, or find what an earlier run has read.

    Args:
        base: What the run starts from, in evaluation mode.
        blended: What it trains on, replay among it.
        settings: k, the tokens that are held, number format and batch size.
        collate: As the run lays documents out.
        cache: The folder that keeps such predictions.
        only: Documents beside which none will be asked for.
        progress: Called with the documents that have been read.

    Raises:
        ResourceError: The disk has no room for them.
        RunFolderError: The cache folder cannot be written.
    """
    replayed = [stream for stream, kind in enumerate(blended.kinds) if kind == "replay"]
    asked = {stream: _asked(blended.documents[stream], collate, stream, only) for stream in replayed}
    documents = [(stream, index) for stream in replayed for index, count in enumerate(asked[stream]) if count]
    vocabulary = base.model.get_output_embeddings().weight.shape[0]
    k, tokens = kept_of(settings, vocabulary), sum(map(sum, asked.values()))
    made_of = {
        "base": base.hash,
        "attention": attention_of(base.model),
        "rows": [blended.stream.specs[stream].fingerprint for stream in replayed],
        "kl_tokens": settings.kl_tokens,
        "k": k,
        "dtype": _NUMBERS.name,
        "computed_in": settings.precision,
        "only": None if only is None else documents,
    }

    def fill(arrays: Arrays) -> None:
        done = 0
        for read in BasePass(base.model, collate, settings).over(documents):
            found = top_k(read.states, read.head.weight, k, bias=read.head.bias, softcap=read.head.softcap)
            place = slice(done, done + read.ids.shape[0])
            for name, values in zip(("ids", "log_probabilities", "tail"), found, strict=True):
                arrays[name][place] = values.cpu().numpy()
            done = place.stop
            if progress is not None:
                progress(read.documents, len(documents))

    # No array without an entry, which could not be mapped: nothing of the last one is ever asked for then.
    forms = _forms(max(tokens, 1), k, vocabulary)
    arrays = kept_arrays(cache, made_of, forms, fill, field=_FIELD)
    starts, before = {}, 0
    for stream in replayed:
        starts[stream] = np.array([*itertools.accumulate(asked[stream], initial=before)], dtype=np.int64)
        before = int(starts[stream][-1])
    return StoredTopK(starts, arrays["ids"], arrays["log_probabilities"], arrays["tail"])


def _asked(held: DocumentStore, collate: Collator, stream: int, only: Collection[tuple[int, int]] | None) -> list[int]:
    """How many tokens of each document of a stream are held; 0 for numbers that are none's."""
    numbers = held.numbers()
    asked = [0] * (numbers[-1] + 1)
    for index in numbers:
        if only is None or (stream, index) in only:
            asked[index] = sum(collate.kl_mask(held[index].labels))
    return asked


def kept_of(settings: TrainingSettings, vocabulary: int) -> int:
    """How many tokens are kept of each prediction: no more than there are."""
    assert settings.kl_top_k is not None
    return min(settings.kl_top_k, vocabulary)


def stored_bytes(tokens: int, k: int, vocabulary: int) -> int:
    """Bytes on the disk of the predictions of so many tokens."""
    return sum(form.bytes for form in _forms(tokens, k, vocabulary).values())


def _forms(tokens: int, k: int, vocabulary: int) -> dict[str, Form]:
    return {
        "ids": Form((tokens, k), np.dtype(np.uint16 if vocabulary <= 1 << 16 else np.uint32)),
        "log_probabilities": Form((tokens, k), _NUMBERS),
        "tail": Form((tokens,), _NUMBERS),
    }


def as_columns(found: TopK) -> dict[str, Tensor]:
    """Predictions as columns of a batch."""
    return {f"reference_{name}": values for name, values in found._asdict().items()}


def of_columns(batch: dict[str, Tensor]) -> TopK:
    """Predictions from the columns of a batch."""
    return TopK(*(batch[f"reference_{name}"] for name in TopK._fields))
