"""What a step costs: the cross-entropy of what is learned, and KL to the base on what is held.

In: the hidden states that the student's head projects, and a batch. Out: the batch's share of

    L = Σ w · CE(domain, general, text) / N_ce  +  λ · Σ m · KL(replay) / N_replay  +  μ · Σ KL(domain) / N_domain

where all counts are of tokens, whatever they weigh, and run over the whole batch of an optimiser step, on all
processes. The weight w is 1 but for domain tokens, and there too without `domain_weights`. The multiplier m is that
of the replay token's stream at the moment, and 1 unless constraints move it: as the count is of all replay tokens, one
stream's multiplier does not rescale the others. It knows no trainer.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import torch
from torch import Tensor

from forgetless.losses import TokenSum, TokenWeights, cross_entropy_sum, entropy_weights, probability_weights
from forgetless.mixture import MixtureStream
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
        stream: Knows the streams, and the multiplier of each.
        reference: What the base says of the tokens that are held.
        tally: Counts each part for the log.
    """

    def __init__(
        self, settings: TrainingSettings, *, stream: MixtureStream, reference: Reference, tally: Tally
    ) -> None:
        kinds = [spec.kind for spec in stream.specs]
        weights = (_Term("kl", "replay", settings.kl_weight), _Term("domain_kl", "domain", settings.domain_kl_weight))
        self._terms = [term for term in weights if term.kind in held_kinds(settings) and term.kind in kinds]
        self._reference = reference
        self._tally = tally
        # Padding has the stream -1, which is the last entry.
        self._is_of = {name: torch.tensor([*(kind == name for kind in kinds), False]) for name in ("replay", "domain")}
        self._weigh = settings.domain_weights
        self._stream = stream
        replayed = [index for index, kind in enumerate(kinds) if kind == "replay"]
        self._told_apart = replayed if len(replayed) > 1 else []

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
        self._begin_counts(loss)
        if not any(name.startswith("reference_") for name in batch):
            return loss
        mask = batch["kl_mask"][:, 1:]
        states, streams = states[mask], batch["stream_ids"][:, 1:][mask]
        measure = self._reference.reading(batch)
        for term, tokens in zip(self._terms, held, strict=True):
            chosen = self._chosen(term.kind, streams)
            multipliers = self._multipliers(streams[chosen]) if term.kind == "replay" else None
            summed = measure(head, states[chosen], chosen, multipliers)
            self._count(term.name, summed, streams[chosen])
            loss = loss + term.weight * (summed.total / tokens.clamp(min=1))
        return loss

    def _multipliers(self, streams: Tensor) -> Tensor | None:
        """The multiplier of each replay token; none where there is but one stream and its multiplier is 1."""
        multipliers = list(self._stream.multipliers().values())
        if not self._told_apart and set(multipliers) == {1.0}:
            return None
        return torch.tensor(multipliers, device=streams.device)[streams]

    def _begin_counts(self, like: Tensor) -> None:
        """Count nothing yet: every process logs the same names, whatever its part of a batch holds."""
        for name in (*(term.name for term in self._terms), *map(self._name_of, self._told_apart)):
            self._tally.add(name, torch.zeros_like(like), 0)

    def _count(self, name: str, summed: TokenSum, streams: Tensor) -> None:
        self._tally.add(name, summed.total if summed.plain is None else summed.plain, summed.tokens)
        if summed.each is not None:
            for index in self._told_apart:
                own = streams == index
                self._tally.add(self._name_of(index), summed.each[own].sum(), own.sum())

    def _name_of(self, stream: int) -> str:
        return f"kl_{self._stream.specs[stream].name}"

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
