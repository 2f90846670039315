"""From rows to what is trained on: documents, a plan, and the stream that draws them.

In: the rows of every source, the replay rows, and the recipe. Out: a `Blend`, with the rows that could not be encoded
named by source. Decided here once, so that `plan` shows exactly what `train` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from forgetless.errors import DataError
from forgetless.mixture import MixturePlan, MixtureStream, StreamSpec, plan_mixture
from forgetless.recipe import Recipe
from forgetless.records import Row, StreamKind
from forgetless.rundir import content_hash
from forgetless.tokens import Account, ChatFormat, Encoded, TokenReject, account_of, encode_rows

REPLAY = "replay"


@dataclass(frozen=True, slots=True)
class Blend:
    """What a run trains on.

    `documents[i]` are the documents of the i-th stream, in the order of `plan.shares`; `rejects` holds, by source,
    the rows that were left out, each with its reason; `accounts` counts, by source, what became of all rows.
    """

    plan: MixturePlan
    stream: MixtureStream
    documents: tuple[tuple[Encoded, ...], ...]
    rejects: dict[str, tuple[TokenReject, ...]]
    accounts: dict[str, Account] = field(default_factory=dict)

    @property
    def kinds(self) -> tuple[StreamKind, ...]:
        """The kind of every stream."""
        return tuple(spec.kind for spec in self.stream.specs)


def blend(
    rows: Mapping[str, Sequence[Row]], replay: Sequence[Row], chat_format: ChatFormat, *, recipe: Recipe
) -> Blend:
    """Encode all rows and plan the mixture.

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
        encoded, left_out = encode_rows(
            given, chat_format, max_length=training.max_length_tokens, long_rows=training.long_rows
        )
        if left_out and not encoded:
            raise _none_left(name, left_out)
        rejects[name] = tuple(left_out)
        accounts[name] = account_of(encoded, left_out)
        documents.append(tuple(encoded))
        specs.append(StreamSpec(name, kind, share, _lengths(encoded), _fingerprint(encoded)))
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


def _lengths(documents: Sequence[Encoded]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([len(document.input_ids) for document in documents], dtype=np.int64)


def _fingerprint(documents: Sequence[Encoded]) -> str:
    """Changes with any token or label that is trained on."""
    return content_hash([(document.row_id, document.input_ids, document.labels) for document in documents])
