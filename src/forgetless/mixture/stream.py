"""Several streams of documents in, batches of packed bins out, in the shares that were asked for.

The next document comes from the stream whose tokens lag furthest behind its share, so shares hold in tokens whatever
the lengths of the documents are, and a new set of shares holds from the next batch: nothing is drawn ahead. How long a
document is has to be known when it is drawn, and not before. Beside its share a stream has a multiplier, which says how
much its tokens weigh in a KL term; it holds from the next batch as well. All of it is a function of the seed; the state
is a few numbers for each stream, and a run that is resumed from it continues exactly, even where shares and multipliers
were changed on the way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from forgetless.errors import RunFolderError
from forgetless.mixture.order import DocumentOrder
from forgetless.mixture.spec import StreamSpec, check_lengths
from forgetless.rundir import content_hash

Bin = list[tuple[int, int]]

_WAITING_LIMIT = 32
_SHARE_TOLERANCE = 1e-6


class MixtureStream:
    """Batches drawn from several streams.

    Args:
        specs: The streams. Their shares add up to 1.
        seed: Fixes the order of everything.
        bin_tokens: The most tokens that one bin (a packed row) holds.
        bins_per_batch: How many bins a batch has.

    Raises:
        DataError: A stream has no documents, or one that no bin can hold.
        ValueError: Names are not unique, or the shares are no shares.
    """

    def __init__(self, specs: Sequence[StreamSpec], *, seed: int, bin_tokens: int, bins_per_batch: int) -> None:
        for spec in specs:
            check_lengths(spec, bin_tokens)
        self.specs = tuple(specs)
        self.seed = seed
        self.bin_tokens = bin_tokens
        self.bins_per_batch = bins_per_batch
        self._index = {spec.name: index for index, spec in enumerate(self.specs)}
        if len(self._index) != len(self.specs):
            raise ValueError(f"stream names are not unique: {[spec.name for spec in specs]}")
        self._shares = self._checked({spec.name: spec.share for spec in self.specs})
        self._orders = [
            DocumentOrder(
                len(spec.documents),
                partial(_documents_of, spec),
                seed=seed,
                name=spec.name,
                waiting_limit=_WAITING_LIMIT,
            )
            for spec in self.specs
        ]
        # Of those that were measured: where it is not the least of all, a gap at the end of a batch stays open.
        self._shortest = [int(spec.lengths.min()) for spec in self.specs]
        self._multipliers = [1.0] * len(self.specs)
        self._owed = [0.0] * len(self.specs)
        self._tokens = [0] * len(self.specs)
        self._batches = 0
        self.fingerprint = _fingerprint(self.specs, seed, bin_tokens, bins_per_batch)

    def next_batch(self) -> list[Bin]:
        """The next batch.

        Returns:
            `bins_per_batch` bins, none of them empty; a bin lists (stream, document) pairs whose lengths add up to at
            most `bin_tokens`. A document that fits into no bin of this batch waits, and is offered first to the next.
        """
        bins: list[Bin] = [[] for _ in range(self.bins_per_batch)]
        room = [self.bin_tokens] * self.bins_per_batch
        offers = {index: self._orders[index].offers() for index, share in enumerate(self._shares) if share > 0.0}
        while (stream := self._furthest_behind(offers)) is not None:
            # Near the end of a batch nothing of a stream may fit any more: then it must not go on drawing.
            document = next(offers[stream], None) if self._shortest[stream] <= max(room) else None
            if document is None:
                del offers[stream]
                continue
            length = self._length(stream, document)
            target = next((index for index, space in enumerate(room) if space >= length), None)
            if target is not None:
                bins[target].append((stream, document))
                room[target] -= length
                self._orders[stream].take(document)
                self._account(stream, length)
        self._batches += 1
        return bins

    def set_shares(self, shares: Mapping[str, float]) -> None:
        """Ask for other shares, from the next batch on.

        What a stream lags behind at this moment is still made up for, unless its new share is 0: then the others take
        it over.

        Raises:
            ValueError: Not every stream is given a share, one is negative, or they do not add up to 1.
        """
        self._shares = self._checked(shares)
        dropped = sum(owed for owed, share in zip(self._owed, self._shares, strict=True) if share == 0.0)
        self._owed = [
            owed + share * dropped if share > 0.0 else 0.0 for owed, share in zip(self._owed, self._shares, strict=True)
        ]

    def shares(self) -> dict[str, float]:
        """The shares that are asked for now."""
        return dict(zip(self._index, self._shares, strict=True))

    def set_multipliers(self, multipliers: Mapping[str, float]) -> None:
        """Have a KL term count the tokens of some streams so many times as the recipe says, from the next batch on.

        Raises:
            ValueError: There is no such stream, or one would count nothing or less.
        """
        if not set(multipliers) <= set(self._index) or not all(value > 0.0 for value in multipliers.values()):
            raise ValueError(f"multipliers are above 0, for some of {sorted(self._index)}: {dict(multipliers)}")
        for name, value in multipliers.items():
            self._multipliers[self._index[name]] = float(value)

    def multipliers(self) -> dict[str, float]:
        """How often a KL term counts the tokens of each stream now; 1 is what the recipe says."""
        return dict(zip(self._index, self._multipliers, strict=True))

    def realised(self) -> dict[str, float]:
        """Each stream's share of all tokens so far; empty before the first batch, when there is none."""
        total = sum(self._tokens)
        return {name: tokens / total for name, tokens in self.tokens().items()} if total else {}

    def tokens(self) -> dict[str, int]:
        """Tokens that each stream has given so far."""
        return dict(zip(self._index, self._tokens, strict=True))

    def passes(self) -> dict[str, float]:
        """How often each stream has been gone through so far, counted in tokens."""
        return {spec.name: tokens / spec.tokens for spec, tokens in zip(self.specs, self._tokens, strict=True)}

    def left_out(self) -> dict[str, int]:
        """How many rows of each stream were drawn so far and gave no document."""
        return {name: order.left_out for name, order in zip(self._index, self._orders, strict=True)}

    def state_dict(self) -> dict[str, Any]:
        """Where the stream stands, as small JSON data."""
        streams = {
            spec.name: {
                "share": self._shares[index],
                "multiplier": self._multipliers[index],
                "owed": self._owed[index],
                "tokens": self._tokens[index],
                **self._orders[index].state(),
            }
            for index, spec in enumerate(self.specs)
        }
        return {"fingerprint": self.fingerprint, "batches": self._batches, "streams": streams}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue exactly where `state_dict` was taken, shares and multipliers included.

        Raises:
            RunFolderError: The state is of other documents, another seed or other sizes.
        """
        if state["fingerprint"] != self.fingerprint:
            raise RunFolderError(
                field="mixture",
                value=f"saved {state['fingerprint']}, now {self.fingerprint}",
                rule="the sources, shares, seed or batch sizes are not those of the run that is to be resumed",
                way_out="put the recipe and the files back as they were, or start a new run",
            )
        self._batches = int(state["batches"])
        for index, spec in enumerate(self.specs):
            saved = state["streams"][spec.name]
            self._shares[index] = float(saved["share"])
            self._multipliers[index] = float(saved["multiplier"])
            self._owed[index] = float(saved["owed"])
            self._tokens[index] = int(saved["tokens"])
            self._orders[index].restore(saved)

    def _length(self, stream: int, document: int) -> int:
        documents = self.specs[stream].documents
        number, row = divmod(document, len(documents))
        return documents.lengths(row)[number]

    def _furthest_behind(self, offers: Mapping[int, Iterator[int]]) -> int | None:
        """The stream to draw from, or `None` if this batch is done."""
        # A stream of short documents may fill the gaps that long ones leave, but only up to its own part of one batch
        # ahead of its share: otherwise the gaps, and not the shares, would decide how much it gives.
        capacity = self.bin_tokens * self.bins_per_batch
        candidates = [index for index in offers if self._owed[index] > -self._shares[index] * capacity]
        return max(candidates, key=lambda index: (self._owed[index], self._shares[index], -index), default=None)

    def _account(self, stream: int, length: int) -> None:
        """Every stream is owed its share of these tokens, and one has given them: the sum of `_owed` stays 0."""
        for index, share in enumerate(self._shares):
            self._owed[index] += share * length
        self._owed[stream] -= length
        self._tokens[stream] += length

    def _checked(self, shares: Mapping[str, float]) -> list[float]:
        if set(shares) != set(self._index):
            raise ValueError(f"shares are needed for exactly {sorted(self._index)}, not for {sorted(shares)}")
        values = [float(shares[name]) for name in self._index]
        if not all(value >= 0.0 for value in values) or abs(sum(values) - 1.0) > _SHARE_TOLERANCE:
            raise ValueError(f"shares are not negative and add up to 1: {dict(shares)}")
        return [value / sum(values) for value in values]


def _documents_of(spec: StreamSpec, row: int) -> int:
    return len(spec.documents.lengths(row))


def _fingerprint(specs: Sequence[StreamSpec], seed: int, bin_tokens: int, bins_per_batch: int) -> str:
    streams = [
        (
            spec.name,
            spec.kind,
            spec.share,
            spec.fingerprint,
            len(spec.documents),
            hashlib.blake2b(spec.lengths.astype("<i8").tobytes()).hexdigest(),
        )
        for spec in specs
    ]
    return content_hash(streams, seed, bin_tokens, bins_per_batch)
