"""How long a run is and what each stream gives to it, in numbers, before anything is trained.

A share is a share *of the total*: a share of 0.2 is a fifth of all tokens. The length of a run is its number of
steps, or passes over the domain; what follows for the other streams is shown, and refused where a stream would be
repeated more often than the recipe allows.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from forgetless.errors import RecipeError
from forgetless.mixture.spec import StreamSpec
from forgetless.mixture.stream import MixtureStream
from forgetless.recipe import MixtureSettings, TrainingSettings
from forgetless.records import MixtureShare

_SAMPLE_BATCHES = 64
_SAMPLE_DOCUMENTS = 20_000


@dataclass(frozen=True, slots=True)
class MixturePlan:
    """The length of a run and its mixture.

    `tokens_per_step` is what the bins of one step are expected to hold: packing leaves some of their room empty.
    `tokens` is expected for the whole run; in `shares`, `tokens` and `passes` are expected, and nothing is realised.
    """

    steps: int
    tokens: int
    tokens_per_step: int
    shares: tuple[MixtureShare, ...]


def plan_mixture(specs: Sequence[StreamSpec], *, settings: MixtureSettings, training: TrainingSettings) -> MixturePlan:
    """Plan a run.

    With `steps`, a run has steps · tokens per step. With `epochs`, it is as long as it takes to go through the domain
    so many times: epochs · domain tokens / domain share, domain streams taken together.

    Raises:
        RecipeError: There is no domain stream, or a stream of another kind would be gone through more than
            `repetition_cap` times.
        DataError: A stream has no documents, or one longer than `max_length_tokens`.
    """
    domain_share = sum(spec.share for spec in specs if spec.kind == "domain")
    if domain_share <= 0.0:
        raise RecipeError(
            field="sources",
            value=", ".join(spec.name for spec in specs),
            rule="no stream is of `kind: domain`",
            way_out="set `kind: domain` for the rows that the model is to learn",
        )
    domain_tokens = sum(spec.tokens for spec in specs if spec.kind == "domain")
    tokens_per_step = _tokens_per_batch(specs, training) * training.accumulate_batches
    if training.steps is not None:
        steps = training.steps
        total = steps * tokens_per_step
    else:
        total = (training.epochs or 1.0) * domain_tokens / domain_share
        steps = max(1, math.ceil(total / tokens_per_step))
    shares = tuple(_expected(spec, total) for spec in specs)
    for share, tokens in _as_in_the_recipe(specs, shares):
        if share.kind != "domain" and share.passes > settings.repetition_cap:
            raise _repeated_too_often(
                share, tokens, cap=settings.repetition_cap, total=total, training=training, domain_share=domain_share
            )
    return MixturePlan(steps=steps, tokens=round(total), tokens_per_step=round(tokens_per_step), shares=shares)


def realised_shares(plan: MixturePlan, stream: MixtureStream) -> tuple[MixtureShare, ...]:
    """The lines of the plan with what the stream has given so far: realised share, tokens and passes."""
    realised, tokens, passes = stream.realised(), stream.tokens(), stream.passes()
    return tuple(
        dataclasses.replace(
            share, realised=realised.get(share.source), tokens=tokens[share.source], passes=passes[share.source]
        )
        for share in plan.shares
    )


def _tokens_per_batch(specs: Sequence[StreamSpec], training: TrainingSettings) -> float:
    """Tokens that a batch holds, as packed in a sample of batches; the seed of the sample is of no account."""
    rehearsed = [spec.rehearsed() for spec in specs]
    stream = MixtureStream(rehearsed, seed=0, bin_tokens=training.max_length_tokens, bins_per_batch=training.batch_rows)
    batches = documents = 0
    while batches < _SAMPLE_BATCHES and documents < _SAMPLE_DOCUMENTS:
        documents += sum(len(packed) for packed in stream.next_batch())
        batches += 1
    return sum(stream.tokens().values()) / batches


def _expected(spec: StreamSpec, total: float) -> MixtureShare:
    tokens = spec.share * total
    return MixtureShare(
        source=spec.name,
        kind=spec.kind,
        rows=len(spec.documents),
        asked=spec.share,
        realised=None,
        tokens=round(tokens),
        passes=tokens / spec.tokens,
    )


def _as_in_the_recipe(
    specs: Sequence[StreamSpec], shares: Sequence[MixtureShare]
) -> Iterator[tuple[MixtureShare, int]]:
    """Everything that has a share of its own in the recipe, with its tokens: the streams of replay are one."""
    replayed = [(share, spec.tokens) for spec, share in zip(specs, shares, strict=True) if spec.kind == "replay"]
    yield from ((share, spec.tokens) for spec, share in zip(specs, shares, strict=True) if spec.kind != "replay")
    if not replayed:
        return
    tokens = sum(own for _, own in replayed)
    whole = MixtureShare(
        source="replay",
        kind="replay",
        rows=sum(share.rows for share, _ in replayed),
        asked=sum(share.asked for share, _ in replayed),
        realised=None,
        tokens=sum(share.tokens for share, _ in replayed),
        passes=sum(share.passes * own for share, own in replayed) / tokens,
    )
    yield whole, tokens


def _repeated_too_often(
    share: MixtureShare, tokens: int, *, cap: int, total: float, training: TrainingSettings, domain_share: float
) -> RecipeError:
    allowed = cap * tokens
    if training.steps is not None:
        largest = allowed / total
    else:
        # What the stream gives up goes to the domain, which shortens the run: r · total(r) = allowed with
        # total(r) = total · d / (d + share − r).
        domain_total = total * domain_share
        largest = allowed * (domain_share + share.asked) / (domain_total + allowed)
    rows = math.ceil(share.rows * share.passes / cap)
    field = "replay.share" if share.kind == "replay" else f"sources.{share.source}.share"
    return RecipeError(
        field=field,
        value=f"{share.asked:g} of {round(total):,} tokens, from {share.rows:,} rows of {tokens:,} tokens",
        rule=f"each row would be used {share.passes:.1f} times, more than `mixture.repetition_cap: {cap}`",
        way_out=f"lower the share to at most {_rounded_down(largest)} (and raise that of the domain), "
        f"give about {rows:,} rows, or shorten the run",
    )


def _rounded_down(share: float) -> str:
    """Two significant digits, rounded down: the share that is advised must itself be accepted."""
    digits = 1 - math.floor(math.log10(share))
    return f"{math.floor(share * 10**digits) / 10**digits:g}"
