"""From rows to what is trained on: documents, a plan, and the stream that draws them.

In: the rows of every source, the replay rows, and the recipe. Out: a `Blend`, with the rows that could not be encoded
named by source. Decided here once, so that `plan` shows exactly what `train` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from forgetless.mixture import MixturePlan, MixtureStream, StreamSpec, plan_mixture
from forgetless.recipe import Recipe
from forgetless.records import Row, StreamKind
from forgetless.rundir import content_hash
from forgetless.tokens import ChatFormat, Encoded, TokenReject, encode_rows

REPLAY = "replay"


@dataclass(frozen=True, slots=True)
class Blend:
    """What a run trains on.

    `documents[i]` are the documents of the i-th stream, in the order of `plan.shares`; `rejects` holds, by source,
    the rows that were left out, each with its reason.
    """

    plan: MixturePlan
    stream: MixtureStream
    documents: tuple[tuple[Encoded, ...], ...]
    rejects: dict[str, tuple[TokenReject, ...]]

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
        DataError, RecipeError: The streams cannot give what the recipe asks of them.
    """
    asked: list[tuple[str, StreamKind, float, Sequence[Row]]] = [
        (name, settings.kind, settings.share, rows[name]) for name, settings in recipe.sources.items()
    ]
    if recipe.replay is not None:
        asked.append((REPLAY, "replay", recipe.replay.share, replay))
    training = recipe.training
    specs, documents, rejects = [], [], {}
    for name, kind, share, given in asked:
        encoded, left_out = encode_rows(given, chat_format, max_length=training.max_length_tokens)
        rejects[name] = tuple(left_out)
        documents.append(tuple(encoded))
        specs.append(StreamSpec(name, kind, share, _lengths(encoded), _fingerprint(encoded)))
    plan = plan_mixture(specs, settings=recipe.mixture, training=training)
    stream = MixtureStream(
        specs, seed=recipe.seed, bin_tokens=training.max_length_tokens, bins_per_batch=training.batch_rows
    )
    return Blend(plan, stream, tuple(documents), rejects)


def _lengths(documents: Sequence[Encoded]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([len(document.input_ids) for document in documents], dtype=np.int64)


def _fingerprint(documents: Sequence[Encoded]) -> str:
    """Changes with any token or label that is trained on."""
    return content_hash([(document.row_id, document.input_ids, document.labels) for document in documents])
