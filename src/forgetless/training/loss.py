"""What a step costs: the cross-entropy of what is learned, and KL to the base on what is held.

In: the hidden states that the student's head projects, and a batch. Out: the batch's share of

    L = Σ w · CE(domain, general, text) / N_ce  +  λ · Σ KL(replay) / N_replay  +  μ · Σ KL(domain) / N_domain

where all counts are of tokens, whatever they weigh, and run over the whole batch of an optimiser step, on all
processes. The weight w is 1 but for domain tokens, and there too without `domain_weights`. It knows no trainer.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from forgetless.losses import TokenWeights, cross_entropy_sum, entropy_weights, probability_weights
from forgetless.recipe import TrainingSettings
from forgetless.records import StreamKind
from forgetless.tokens.encoded import IGNORED
from forgetless.training.heads import OutputHead
from forgetless.training.reference import Reference
from forgetless.training.tally import Tally

Batch = dict[str, Tensor]

_BY_THE_STUDENT = {"eaft": entropy_weights, "dft": probability_weights, "asft": probability_weights}


class _Term(NamedTuple):
    """A KL term: its name in the log, the kind of the rows that it holds, and its weight."""

    name: str
    kind: StreamKind
    weight: float


class RetentionLoss:
    """The loss above.

    Args:
        settings: λ, μ, and how the domain's tokens are weighed.
        kinds: The kind of each stream.
        reference: What the base says of the tokens that are held.
        tally: Counts each part for the log.
    """

    def __init__(
        self, settings: TrainingSettings, *, kinds: Sequence[StreamKind], reference: Reference, tally: Tally
    ) -> None:
        weights = (_Term("kl", "replay", settings.kl_weight), _Term("domain_kl", "domain", settings.domain_kl_weight))
        self._terms = [term for term in weights if term.kind in held_kinds(settings) and term.kind in kinds]
        self._reference = reference
        self._tally = tally
        # Padding has the stream -1, which is the last entry.
        self._is_of = {name: torch.tensor([*(kind == name for kind in kinds), False]) for name in ("replay", "domain")}
        self._weigh = settings.domain_weights

    def held_tokens(self, batch: Batch) -> Tensor:
        """How many tokens of a batch each KL term is about, `[terms]`."""
        streams = batch["stream_ids"][batch["kl_mask"]]
        counts = [self._chosen(term.kind, streams).sum() for term in self._terms]
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
        loss = self._cross_entropy(head, states, batch) / items.clamp(min=1)
        if not any(name.startswith("reference_") for name in batch):
            return loss
        mask = batch["kl_mask"][:, 1:]
        states, streams = states[mask], batch["stream_ids"][:, 1:][mask]
        measure = self._reference.reading(batch)
        for term, tokens in zip(self._terms, held, strict=True):
            chosen = self._chosen(term.kind, streams)
            summed = measure(head, states[chosen], chosen)
            self._tally.add(term.name, summed.total, summed.tokens)
            loss = loss + term.weight * (summed.total / tokens.clamp(min=1))
        return loss

    def _cross_entropy(self, head: OutputHead, states: Tensor, batch: Batch) -> Tensor:
        labels = batch["labels"][:, 1:]
        labelled = labels != IGNORED
        summed = cross_entropy_sum(
            states[labelled],
            head.weight,
            labels[labelled],
            weigh=self._weights(batch, labelled),
            bias=head.bias,
            softcap=head.softcap,
        )
        self._tally.add("ce", summed.total if summed.plain is None else summed.plain, summed.tokens)
        self._tally.add("entropy", summed.entropy, summed.tokens)
        return summed.total

    def _weights(self, batch: Batch, labelled: Tensor) -> TokenWeights | None:
        if self._weigh == "flow":
            given = batch["weights"][:, 1:][labelled]
            return lambda log_probabilities, own, rows: given[rows]
        if self._weigh not in _BY_THE_STUDENT:
            return None
        rule, domain = _BY_THE_STUDENT[self._weigh], self._chosen("domain", batch["stream_ids"][:, 1:][labelled])
        return lambda log_probabilities, own, rows: torch.where(domain[rows], rule(log_probabilities, own), 1.0)

    def _chosen(self, kind: StreamKind, streams: Tensor) -> Tensor:
        return self._is_of[kind].to(streams.device)[streams]


def held_kinds(settings: TrainingSettings) -> frozenset[StreamKind]:
    """The kinds of rows that the settings hold to the base by KL."""
    weights: dict[StreamKind, float] = {"replay": settings.kl_weight, "domain": settings.domain_kl_weight}
    return frozenset(kind for kind, weight in weights.items() if weight > 0.0)


def replaces_stock_loss(settings: TrainingSettings, kinds: Collection[StreamKind]) -> bool:
    """Whether TRL's own loss will not do; it also divides by 0 where `stm` leaves no label in a whole step."""
    return bool(held_kinds(settings).intersection(kinds)) or settings.domain_weights != "none"


def needs_live_base(settings: TrainingSettings) -> bool:
    """Whether the base is asked in every step."""
    return bool(held_kinds(settings)) and settings.kl_reference == "live"
