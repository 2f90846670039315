"""What a step costs: the cross-entropy of what is learned, and KL to the base on what is held.

In: the hidden states that the student's head projects, and a batch. Out: the batch's share of

    L = Σ CE(domain, general, text) / N_ce  +  λ · Σ KL(replay) / N_replay  +  μ · Σ KL(domain) / N_domain

where all counts run over the whole batch of an optimiser step, on all processes. It knows no trainer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from forgetless.losses import cross_entropy_sum
from forgetless.recipe import TrainingSettings
from forgetless.records import StreamKind
from forgetless.tokens.encoded import IGNORED
from forgetless.training.heads import OutputHead
from forgetless.training.reference import Reference
from forgetless.training.tally import Tally

Batch = dict[str, Tensor]


class _Term(NamedTuple):
    """A KL term: its name in the log, the kind of the rows that it holds, and its weight."""

    name: str
    kind: StreamKind
    weight: float


class RetentionLoss:
    """The loss above.

    Args:
        settings: λ and μ.
        kinds: The kind of each stream.
        reference: What the base says of the tokens that are held; none where nothing is.
        tally: Counts each part for the log.
    """

    def __init__(
        self, settings: TrainingSettings, *, kinds: Sequence[StreamKind], reference: Reference | None, tally: Tally
    ) -> None:
        weights = (_Term("kl", "replay", settings.kl_weight), _Term("domain_kl", "domain", settings.domain_kl_weight))
        self._terms = [term for term in weights if term.kind in held_kinds(settings) and term.kind in kinds]
        self._reference = reference
        self._tally = tally
        # Padding has the stream -1, which is the last entry.
        self._is_of = {term.kind: torch.tensor([*(kind == term.kind for kind in kinds), False]) for term in self._terms}

    def held_tokens(self, batch: Batch) -> Tensor:
        """How many tokens of a batch each KL term is about, `[terms]`."""
        streams = batch["stream_ids"][batch["kl_mask"]]
        counts = [self._chosen(term, streams).sum() for term in self._terms]
        return torch.stack(counts) if counts else streams.new_zeros(0)

    def __call__(self, head: OutputHead, states: Tensor, batch: Batch, *, items: Tensor, held: Tensor) -> Tensor:
        """The share of one micro-batch in the loss of the whole batch.

        Args:
            head: The student's, in the number format of the computation.
            states: `[B, L - 1, H]`, what the head projects at every position but the last.
            batch: As the collator makes it.
            items: Labels in the whole batch.
            held: The sum of `held_tokens` over the whole batch.
        """
        loss = self._cross_entropy(head, states, batch["labels"]) / items.clamp(min=1)
        if self._reference is None or not any(name.startswith("reference_") for name in batch):
            return loss
        mask = batch["kl_mask"][:, 1:]
        states, streams = states[mask], batch["stream_ids"][:, 1:][mask]
        measure = self._reference.reading(batch)
        for term, tokens in zip(self._terms, held, strict=True):
            chosen = self._chosen(term, streams)
            summed = measure(head, states[chosen], chosen)
            self._tally.add(term.name, summed.total, summed.tokens)
            loss = loss + term.weight * (summed.total / tokens.clamp(min=1))
        return loss

    def _cross_entropy(self, head: OutputHead, states: Tensor, labels: Tensor) -> Tensor:
        labelled = labels[:, 1:] != IGNORED
        summed = cross_entropy_sum(
            states[labelled], head.weight, labels[:, 1:][labelled], bias=head.bias, softcap=head.softcap
        )
        self._tally.add("ce", summed.total, summed.tokens)
        self._tally.add("entropy", summed.entropy, summed.tokens)
        return summed.total

    def _chosen(self, term: _Term, streams: Tensor) -> Tensor:
        return self._is_of[term.kind].to(streams.device)[streams]


def held_kinds(settings: TrainingSettings) -> frozenset[StreamKind]:
    """The kinds of rows that the settings hold to the base by KL."""
    weights: dict[StreamKind, float] = {"replay": settings.kl_weight, "domain": settings.domain_kl_weight}
    return frozenset(kind for kind, weight in weights.items() if weight > 0.0)


def needs_live_base(settings: TrainingSettings) -> bool:
    """Whether the base is asked in every step."""
    return bool(held_kinds(settings)) and settings.kl_reference == "live"
