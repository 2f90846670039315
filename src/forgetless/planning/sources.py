"""What every stream of the mixture holds and will give, and what was left out of it."""

from __future__ import annotations

from forgetless.mixture import MixtureStream, realised_shares
from forgetless.planning.nouns import SourcePlan
from forgetless.planning.replay import ReplaySample
from forgetless.recipe import Recipe
from forgetless.records import MixtureShare
from forgetless.stages import Ground
from forgetless.synthesis import ReplayState
from forgetless.training import Blend

_MOST_DOCUMENTS = 100_000
"""Documents that are drawn to see what the stream gives; the shares of a longer run are those of its beginning."""


def plan_sources(
    recipe: Recipe, ground: Ground, blended: Blend, replay: ReplayState | None, sample: ReplaySample | None
) -> tuple[SourcePlan, ...]:
    """A line for every stream.

    Args:
        recipe: How many batches a step has.
        ground: The sources as they were read.
        blended: What the run trains on; its stream is left where it stands.
        replay: What there is of the replay rows.
        sample: How they will be, where they are not written yet.
    """
    counted = {share.source: share for share in _drawn(blended, recipe.training.accumulate_batches)}
    lines = [
        _line(
            blended,
            counted[source.name],
            rejected=len(source.rejects),
            duplicates=source.duplicates,
            held_out=ground.held_out(source),
            asked=ground.asked[source.name],
        )
        for source in ground.sources
    ]
    if replay is not None:
        replayed = [share for share in counted.values() if share.kind == "replay"]
        # What was left out is of no stream of replay; it stands in the line of the first.
        lines += [
            _line(
                blended,
                share,
                duplicates=replay.duplicates if share is replayed[0] else 0,
                asked=replay.excluded if share is replayed[0] else 0,
                too_long=replay.too_long if share is replayed[0] else 0,
                refused=replay.refused if share is replayed[0] else 0,
                account=replay.complete,
                cut_percent=sample.answering.cut_percent if sample else None,
            )
            for share in replayed
        ]
    return tuple(lines)


def _drawn(blended: Blend, accumulate: int) -> tuple[MixtureShare, ...]:
    """The shares that the stream gives over the run, or over as much of it as is worth drawing."""
    real, batches, documents = blended.stream, 0, 0
    stream = MixtureStream([spec.rehearsed() for spec in real.specs], seed=real.seed, bin_tokens=real.bin_tokens,
                           bins_per_batch=real.bins_per_batch)  # fmt: skip
    wanted = blended.plan.steps * accumulate
    while batches < wanted and documents < _MOST_DOCUMENTS:
        documents += sum(len(packed) for packed in stream.next_batch())
        batches += 1
    return realised_shares(blended.plan, stream)


def _line(
    blended: Blend,
    share: MixtureShare,
    *,
    rejected: int = 0,
    duplicates: int = 0,
    held_out: int = 0,
    asked: int = 0,
    too_long: int = 0,
    refused: int = 0,
    cut_percent: float | None = None,
    account: bool = True,
) -> SourcePlan:
    left_out, counted = blended.rejects[share.source], blended.accounts[share.source]
    most = blended.stream.bin_tokens
    longer = sum(reject.tokens is not None and reject.tokens > most for reject in left_out)
    of_all = counted.sampled_from / (counted.rows + len(left_out)) if counted.sampled_from else 1
    realised = share.realised or 0.0
    of_run = realised * blended.plan.tokens
    return SourcePlan(
        source=share.source,
        kind=share.kind,
        rows=share.rows,
        rejected=rejected,
        duplicates=duplicates,
        held_out=held_out,
        asked=asked,
        too_long=too_long + round(longer * of_all),
        unusable=refused + round((len(left_out) - longer) * of_all),
        cut_percent=cut_percent,
        asked_share=share.asked,
        realised_share=realised,
        tokens=round(of_run),
        passes=share.passes * of_run / share.tokens if share.tokens else 0.0,
        account=counted if account else None,
    )
