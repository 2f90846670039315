"""From rows to what is trained on: documents, a plan, and the stream that draws them.

In: the rows of every source, the replay rows, and the recipe. Out: a `Blend`, with the rows that could not be encoded
named by source. Decided here once, so that `plan` shows exactly what `train` does. Of a source with very many rows only
a sample is encoded here, and every row when it is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Protocol

import numpy as np

from forgetless.errors import DataError
from forgetless.mixture import REPLAY, MixturePlan, MixtureStream, StreamSpec, plan_mixture, replay_of
from forgetless.recipe import Recipe
from forgetless.records import Row, StreamKind
from forgetless.sources import Rows, as_rows
from forgetless.tokens import Account, ChatFormat, Encoded, TokenReject, account_of
from forgetless.training.documents import EncodedRows, measure_rows


class DocumentStore(Protocol):
    """The documents of one stream, by number."""

    def __getitem__(self, number: int, /) -> Encoded: ...

    def numbers(self) -> Sequence[int]:
        """The numbers of all documents, rising; every row is encoded for it."""
        ...


@dataclass(frozen=True, slots=True)
class Blend:
    """What a run trains on.

    `documents[i]` are the documents of the i-th stream, in the order of `plan.shares`; `rejects` holds, by source,
    the rows that were left out beforehand, each with its reason; `accounts` counts, by source, what became of all rows
    (of very many rows, of a sample).
    """

    plan: MixturePlan
    stream: MixtureStream
    documents: tuple[DocumentStore, ...]
    rejects: dict[str, tuple[TokenReject, ...]]
    accounts: dict[str, Account] = field(default_factory=dict)

    def tell_left_out(self, tell: Callable[[str, TokenReject], None]) -> None:
        """Have `tell` called with the source and the reject of every row that is drawn from now on and of no use."""
        for spec, documents in zip(self.stream.specs, self.documents, strict=True):
            if isinstance(documents, EncodedRows):
                documents.on_left_out = partial(tell, spec.name)

    @property
    def kinds(self) -> tuple[StreamKind, ...]:
        """The kind of every stream."""
        return tuple(spec.kind for spec in self.stream.specs)


def blend(
    rows: Mapping[str, Sequence[Row]],
    replay: Sequence[Row],
    chat_format: ChatFormat,
    *,
    recipe: Recipe,
    parts: Mapping[str, Sequence[int]] = MappingProxyType({}),
    stand_ins: bool = False,
) -> Blend:
    """Measure all rows and plan the mixture.

    Args:
        rows: The training rows of every source in the recipe, by name.
        replay: The rows that the base answered; empty without `replay:`.
        chat_format: How the model writes conversations.
        recipe: Shares, lengths and seed.
        parts: Numbers of the replay rows that hold one capability, by its name; they are a stream of their own. Each
            stream of replay begins with its part of the replay tokens, so that all rows are used equally often.
        stand_ins: Whether `replay` stands for rows that are yet to be written.

    Raises:
        DataError, RecipeError: The streams cannot give what the recipe asks of them, or no row of one can be trained.
        ModelError: There are conversations, and no chat template to write them with.
    """
    asked: dict[str, tuple[StreamKind, Rows]] = {
        name: (settings.kind, as_rows(rows[name])) for name, settings in recipe.sources.items()
    }
    if recipe.replay is not None:
        asked |= {name: ("replay", part) for name, part in _divided(as_rows(replay), parts).items()}
    training = recipe.training
    measured = {
        name: measure_rows(given, chat_format, training, stand_ins=stand_ins and kind == "replay")
        for name, (kind, given) in asked.items()
    }
    for name, found in measured.items():
        if found.rejects and not len(found.lengths):
            raise _none_left(name, found.rejects)
    shares = _shares(recipe, {name: found.tokens for name, found in measured.items()})
    specs = [
        StreamSpec(
            name,
            asked[name][0],
            shares[name],
            found.documents,
            found.lengths,
            found.tokens,
            found.fingerprint,
            found.tokens_error,
        )
        for name, found in measured.items()
    ]
    plan = plan_mixture(specs, settings=recipe.mixture, training=training)
    stream = MixtureStream(
        specs, seed=recipe.seed, bin_tokens=training.max_length_tokens, bins_per_batch=training.batch_rows
    )
    return Blend(
        plan,
        stream,
        tuple(found.documents for found in measured.values()),
        {name: found.rejects for name, found in measured.items()},
        {name: found.account for name, found in measured.items()},
    )


def _divided(replay: Rows, parts: Mapping[str, Sequence[int]]) -> dict[str, Rows]:
    """The rows of every stream of replay, by its name; the rows that are of no part come first, if there are any."""
    if not parts:
        return {REPLAY: replay}
    chosen = {replay_of(name): np.array(numbers, dtype=np.int64) for name, numbers in parts.items()}
    rest = np.setdiff1d(np.arange(len(replay)), np.concatenate([*chosen.values()]))
    divided = ({REPLAY: rest} if len(rest) else {}) | chosen
    return {name: replay.select(numbers) for name, numbers in divided.items()}


def _shares(recipe: Recipe, tokens: Mapping[str, int]) -> dict[str, float]:
    """What the recipe says of each stream; those of replay have their part of its tokens."""
    shares = {name: source.share for name, source in recipe.sources.items()}
    replay = {name: count for name, count in tokens.items() if name not in shares}
    if recipe.replay is not None:
        whole = max(sum(replay.values()), 1)
        shares |= {name: recipe.replay.share * (count / whole) for name, count in replay.items()}
    return shares


def _none_left(name: str, rejects: Sequence[TokenReject]) -> DataError:
    reasons = account_of([], rejects).rejected
    return DataError(
        field=REPLAY if name.partition("/")[0] == REPLAY else f"sources.{name}",
        value=f"{len(rejects):,} row{'s' * (len(rejects) != 1)}",
        rule="none of them can be trained on:\n" + "\n".join(f"    {n:,}: {why}" for why, n in reasons.items()),
        way_out="mend what the reasons name, or leave this source out",
    )
