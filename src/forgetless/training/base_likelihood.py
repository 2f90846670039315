"""Weights of the domain's rows by what the base says of them, before the first step.

In: the base and the domain's documents. Out: a weight for every token. The base reads the rows once; the
log-likelihoods of their labels are kept in the cache folder, addressed by base and documents.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from forgetless.losses import cross_entropy_each
from forgetless.models import LoadedModel, attention_of
from forgetless.progress import Progress
from forgetless.recipe import TrainingSettings
from forgetless.records import StreamKind
from forgetless.rundir.arrays import Arrays, Form, kept_arrays
from forgetless.training.base_pass import BasePass
from forgetless.training.blend import Blend
from forgetless.training.collate import Bin, Collator

Weights = dict[int, dict[int, npt.NDArray[np.float32]]]
"""For each stream of the domain, for each of its documents, a weight for each token."""

_DOMAIN: frozenset[StreamKind] = frozenset({"domain"})
_LEAST_PROBABILITY = 0.4


def base_weights(
    base: LoadedModel,
    blended: Blend,
    settings: TrainingSettings,
    collate: Collator,
    *,
    cache: Path,
    only: Collection[tuple[int, int]] | None = None,
    progress: Progress | None = None,
) -> Weights:
    """Weigh the domain's tokens by one of two rules, as `settings.domain_weights` says.

    `stm` leaves out tokens to which the base gives less than 0.4 (weight 0): selective token masking. `flow` weighs
    whole documents by exp(−ℓ / τ), with ℓ the base's mean loss on the document and τ the median of these, scaled to a
    mean of 1 over the domain's labels, so that the domain keeps its part beside other rows and beside the KL terms
    (arXiv 2502.02797).

    Args:
        base: What the run starts from, in evaluation mode.
        blended: What it trains on.
        settings: The rule, number format and batch size.
        collate: As the run lays documents out.
        cache: The folder that keeps what the base says.
        only: Documents beside which none will be asked for.
        progress: Called with the documents that have been read.

    Raises:
        ResourceError: The disk has no room.
        RunFolderError: The cache folder cannot be written.
    """
    documents = [
        (stream, index)
        for stream, kind in enumerate(blended.kinds)
        if kind == "domain"
        for index in blended.documents[stream].numbers()
        if only is None or (stream, index) in only
    ]
    labelled = dataclasses.replace(collate, held=_DOMAIN, kl_tokens="answer", top_k=None, weights={})
    masks = {
        (stream, index): np.array(labelled.kl_mask(blended.documents[stream][index].labels), dtype=bool)
        for stream, index in documents
    }
    counts = [int(masks[document].sum()) for document in documents]
    made_of = {
        "what": "log-likelihood of labels",
        "base": base.hash,
        "attention": attention_of(base.model),
        "rows": [spec.fingerprint for spec in blended.stream.specs if spec.kind == "domain"],
        "computed_in": settings.precision,
        "only": None if only is None else documents,
    }
    forms = {"log_likelihood": Form((max(sum(counts), 1),), np.dtype(np.float32))}
    fill = partial(_read, BasePass(base.model, labelled, settings), documents, progress)
    kept = kept_arrays(cache, made_of, forms, fill, field="training.domain_weights")["log_likelihood"]
    ends = list(itertools.accumulate(counts))
    said = [kept[end - count : end] for count, end in zip(counts, ends, strict=True)]
    found = _easy_first(said) if settings.domain_weights == "flow" else _confident(said)
    weights: Weights = {
        stream: {n: np.ones(len(held[n].input_ids), dtype=np.float32) for n in held.numbers()}
        for stream, (kind, held) in enumerate(zip(blended.kinds, blended.documents, strict=True))
        if kind == "domain"
    }
    for (stream, index), values in zip(documents, found, strict=True):
        weights[stream][index][masks[stream, index]] = values
    return weights


def _read(read: BasePass, documents: Bin, progress: Progress | None, arrays: Arrays) -> None:
    """Fill in the log-likelihood of every label of the documents, one after the other."""
    done = 0
    for found in read.over(documents):
        place = slice(done, done + found.ids.shape[0])
        losses = cross_entropy_each(
            found.states, found.head.weight, found.ids, bias=found.head.bias, softcap=found.head.softcap
        )
        arrays["log_likelihood"][place] = -losses.to(torch.float32).cpu().numpy()
        done = place.stop
        if progress is not None:
            progress(found.documents, len(documents))


def _confident(said: Sequence[npt.NDArray[np.float32]]) -> list[npt.NDArray[np.float32]]:
    return [(np.exp(one) >= _LEAST_PROBABILITY).astype(np.float32) for one in said]


def _easy_first(said: Sequence[npt.NDArray[np.float32]]) -> list[npt.NDArray[np.float32]]:
    losses = np.array([-one.mean(dtype=np.float64) if one.size else 0.0 for one in said])
    counts = np.array([one.size for one in said], dtype=np.float64)
    if not counts.any():
        return list(said)
    scale = float(np.median(losses[counts > 0]))
    # Rows that the base knows by heart are all as easy as each other.
    weights = np.exp(-losses / scale) if scale > 0.0 else np.ones_like(losses)
    weights *= counts.sum() / (counts @ weights)
    return [np.full(one.shape, weight, dtype=np.float32) for one, weight in zip(said, weights, strict=True)]
