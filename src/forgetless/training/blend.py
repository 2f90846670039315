"""From rows to what is trained on: documents, a plan, and the stream that draws them.

In: the rows of every source, the replay rows, and the recipe. Out: a `Blend`, with the rows that could not be encoded
named by source. Decided here once, so that `plan` shows exactly what `train` does. Of a source with very many rows only
a sample is encoded here, and every row when it is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from forgetless.errors import DataError
from forgetless.mixture import MixturePlan, MixtureStream, StreamSpec, plan_mixture
from forgetless.recipe import Recipe
from forgetless.records import Row, StreamKind
from forgetless.sources import as_rows
from forgetless.tokens import Account, ChatFormat, Encoded, TokenReject, account_of
from forgetless.training.documents import EncodedRows, measure_rows

REPLAY = "replay"


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
    rows: Mapping[str, Sequence[Row]], replay: Sequence[Row], chat_format: ChatFormat, *, recipe: Recipe
) -> Blend:
    """Measure all rows and plan the mixture.

    Args:
        rows: The training rows of every source in the recipe, by name.
        replay: The rows that the base answered; empty without `replay:`.
        chat_format: How the model writes conversations.
        recipe: Shares, lengths and seed.

    Raises:
        DataError, RecipeError: The streams cannot give what the recipe asks of them, or no row of one can be trained.
        ModelError: There are conversations, and no chat template to write them with.
    """
    asked: list[tuple[str, StreamKind, float, Sequence[Row]]] = [
        (name, settings.kind, settings.share, rows[name]) for name, settings in recipe.sources.items()
    ]
    if recipe.replay is not None:
        asked.append((REPLAY, "replay", recipe.replay.share, replay))
    training = recipe.training
    specs, documents, rejects, accounts = [], [], {}, {}
    for name, kind, share, given in asked:
        measured = measure_rows(as_rows(given), chat_format, training)
        if measured.rejects and not len(measured.lengths):
            raise _none_left(name, measured.rejects)
        rejects[name], accounts[name] = measured.rejects, measured.account
        documents.append(measured.documents)
        specs.append(
            StreamSpec(
                name,
                kind,
                share,
                measured.documents,
                measured.lengths,
                measured.tokens,
                measured.fingerprint,
                measured.tokens_error,
            )
        )
    plan = plan_mixture(specs, settings=recipe.mixture, training=training)
    stream = MixtureStream(
        specs, seed=recipe.seed, bin_tokens=training.max_length_tokens, bins_per_batch=training.batch_rows
    )
    return Blend(plan, stream, tuple(documents), rejects, accounts)


def _none_left(name: str, rejects: Sequence[TokenReject]) -> DataError:
    reasons = account_of([], rejects).rejected
    return DataError(
        field=name if name == REPLAY else f"sources.{name}",
        value=f"{len(rejects):,} rows",
        rule="none of them can be trained on:\n" + "\n".join(f"    {n:,}: {why}" for why, n in reasons.items()),
        way_out="mend what the reasons name, or leave this source out",
    )
