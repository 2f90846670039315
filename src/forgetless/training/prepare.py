"""What has to be known of model and rows before the first step.

In: the base, what to train on, and how. Out: how documents are laid out in batches, with everything that the base says
of them once and for all. What takes a pass of the base over the rows is kept in the cache folder.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from forgetless.models import LoadedModel
from forgetless.progress import Progresses, unwatched
from forgetless.recipe import TrainingSettings
from forgetless.training.base_likelihood import base_weights
from forgetless.training.blend import Blend
from forgetless.training.collate import Bin, Collator
from forgetless.training.heads import check_head
from forgetless.training.isolation import layout_of
from forgetless.training.loss import held_kinds, replaces_stock_loss
from forgetless.training.reference_cache import StoredTopK, as_columns, store_top_k


def prepare(
    base: LoadedModel,
    blended: Blend,
    settings: TrainingSettings,
    *,
    cache: Path,
    only: Collection[tuple[int, int]] | None = None,
    progress: Progresses = unwatched,
) -> Collator:
    """How documents become batches.

    Args:
        base: Where the run starts, in evaluation mode.
        blended: What it trains on.
        settings: How the weights move.
        cache: Keeps what the base says of rows.
        only: Documents beside which none will be drawn, as (stream, document); none for all.
        progress: Gives a callback for reading them.

    Raises:
        ModelError: The model's logits cannot be held to the base by the KL term, or its flash attention lets packed
            documents see each other.
        ResourceError: The disk has no room for what the base says.
    """
    held = held_kinds(settings).intersection(blended.kinds)
    collate = Collator(
        blended.documents,
        blended.kinds,
        pad_id=base.format.pad_id,
        held=held,
        kl_tokens=settings.kl_tokens,
        layout=layout_of(base.model),
    )
    if replaces_stock_loss(settings, blended.kinds):
        check_head(base.model)
    if "replay" in held and settings.kl_reference == "cached":
        told = progress(f"the base's {settings.kl_top_k} likeliest tokens on replay")
        stored = store_top_k(base, blended, settings, collate, cache=cache, only=only, progress=told)
        collate = replace(collate, top_k=lambda documents: _columns(stored, documents))
    if settings.domain_weights in ("stm", "flow"):
        told = progress("the base's likelihood of the domain")
        weights = base_weights(base, blended, settings, collate, cache=cache, only=only, progress=told)
        collate = replace(collate, weights=weights)
    return collate


def _columns(stored: StoredTopK, documents: Bin) -> dict[str, Tensor]:
    return as_columns(stored.of(documents))
