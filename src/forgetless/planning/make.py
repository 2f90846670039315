"""The plan of a run: what `forgetless plan` shows and `forgetless train` follows.

A recipe and what it stands on go in; a plan comes out, or a refusal of what cannot fit. One function serves both
commands, so what is shown is what is done.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from forgetless.guard import Exam, level_of_look, next_look
from forgetless.planning.bill import Prices, bill
from forgetless.planning.cadence import choose_cadence
from forgetless.planning.capabilities import chosen_margins, plan_capabilities, plan_domain, warnings_about
from forgetless.planning.measured import Measured, measure
from forgetless.planning.nouns import Cadence, CapabilityPlan, Plan, Speeds
from forgetless.planning.room import (
    check_disk,
    check_memory,
    disk_room,
    looks_with_room,
    memory_room,
    refuse_hopeless,
)
from forgetless.planning.sources import plan_sources
from forgetless.progress import Progresses, unwatched
from forgetless.ranks import led
from forgetless.recipe import Recipe, ReplaySettings
from forgetless.replaying import replay_call
from forgetless.sources import LoadedSource
from forgetless.stages import Ground, lay_ground
from forgetless.synthesis import ReplayState, prompts_for_each, replay_state
from forgetless.tasks import FixedTask
from forgetless.training import Blend
from forgetless.verdicts import ASSUMED_DISCORDANCE, ASSUMED_SPREAD


@led
def plan(recipe: Recipe, *, folder: Path | None = None, progress: Progresses = unwatched) -> Plan:
    """What a run of this recipe would do and cost. Nothing is trained and no run folder is made.

    The speed of the real model is measured anew; a run of the same recipe on this machine then follows this plan.

    Args:
        recipe: What to do; see `load_recipe`.
        folder: What relative paths in the recipe are relative to; by default where the recipe was read from.
        progress: Gives a `(done, total)` callback for a described piece of long work, or `None`.

    Raises:
        UserError: Something in the recipe, the data or the model needs mending, or does not fit on this machine.
    """
    folder = folder or recipe.folder
    output = folder / Path(recipe.output).expanduser() / recipe.name
    return make_plan(recipe, lay_ground(recipe, folder), output, anew=True, progress=progress)


def make_plan(recipe: Recipe, ground: Ground, output: Path, *, anew: bool, progress: Progresses) -> Plan:
    """The plan of a run.

    Args:
        recipe: With or without gaps; what it says is kept.
        ground: What the run stands on.
        output: Where it will write; need not exist.
        anew: Whether to measure again what was measured before.
        progress: Gives a callback for measuring.

    Raises:
        ResourceError: The run does not fit into memory or onto the disk.
        UserError: The data or the model cannot be used as the recipe wants.
    """
    refuse_hopeless(recipe, ground, output=output)
    replay = _replay(recipe, ground)
    measured, blended = measure(recipe, ground, replay, output=_existing(output), anew=anew, progress=progress)
    memory = memory_room(recipe, ground, measured)
    check_memory(memory, recipe, ground)
    steps, prices = blended.plan.steps, Prices(recipe, ground, measured)
    cadence = choose_cadence(
        steps=steps,
        training_seconds=steps * measured.trial.step_seconds,
        look_seconds=lambda items: prices.look(items)[0],
        budget=recipe.evaluation.budget_percent / 100,
        dev_part=max(task.size("dev") for task in ground.exam.tasks.values()),
        most_looks=looks_with_room(recipe, ground, output=output),
        every_steps=recipe.evaluation.every_steps,
        dev_items=recipe.evaluation.dev_items,
    )
    disk = disk_room(recipe, ground, looks=cadence.looks, output=output)
    check_disk(disk, output)
    look = next_look(ground.exam.tasks.values(), base_hash=ground.base.hash)
    alpha = level_of_look(recipe.evaluation, look)
    capabilities = plan_capabilities(recipe, ground.exam, dev_items=cadence.dev_items, alpha=alpha)
    costs = bill(prices, replay, cadence, steps=steps)
    return Plan(
        name=recipe.name,
        epochs=recipe.training.epochs,
        steps=steps,
        tokens=blended.plan.tokens,
        tokens_per_step=blended.plan.tokens_per_step,
        alpha=alpha,
        budget_percent=recipe.evaluation.budget_percent,
        sources=plan_sources(recipe, ground, blended, replay, measured.replay),
        capabilities=capabilities,
        domain=plan_domain(recipe, ground.exam, dev_items=cadence.dev_items, alpha=alpha),
        cadence=cadence,
        bill=costs,
        seconds=sum(cost.seconds for cost in costs),
        memory=memory,
        disk=disk,
        speeds=_speeds(prices, measured),
        chosen=tuple(_chosen(recipe, cadence, capabilities)),
        notes=(
            *alike_in(ground.sources),
            *notes_of(recipe, ground.exam, capabilities, replay),
            *_sampled(blended),
            *_strictness(recipe, look, alpha),
        ),
        warnings=tuple(warnings_of(recipe, cadence, capabilities, alpha)),
    )


def _replay(recipe: Recipe, ground: Ground) -> ReplayState | None:
    """What is kept of the replay rows. What an endpoint answers is kept under who it is, which only it can tell."""
    if recipe.replay is None:
        return None
    engine = ground.engine if recipe.replay.endpoint is None else None
    return replay_state(engine, recipe.replay, **replay_call(recipe, ground))


def _existing(output: Path) -> Path:
    """A folder on the disk that `output` will be on."""
    found = next(p for p in (output.absolute(), *output.absolute().parents) if p.exists())
    return found if found.is_dir() else Path(tempfile.gettempdir())


def _speeds(prices: Prices, measured: Measured) -> Speeds:
    law, reads, writes = measured.law, None, None
    samples = [s.answers for s in measured.tasks.values() if s.answers is not None]
    samples += [measured.replay.answering] if measured.replay else []
    if samples:
        longest = max(samples, key=lambda answers: max(answers.prompt_tokens) + answers.room)
        rows = prices.shape.rows(longest)
        prompt = law.prompt_token_seconds + law.pass_seconds / prices.shape.batch_tokens
        written = law.fed_token_seconds + law.pass_seconds / rows
        reads, writes = (1.0 / seconds if seconds > 0.0 else None for seconds in (prompt, written))
    return Speeds(measured.trial.step_seconds, measured.trial.steps, reads, writes, measured.device)


def _chosen(recipe: Recipe, cadence: Cadence, capabilities: tuple[CapabilityPlan, ...]) -> Iterator[str]:
    yield from chosen_margins(capabilities)
    looks = [f"`every_steps: {cadence.every_steps}`"] * (not cadence.every_steps_given)
    looks += [f"`dev_items: {cadence.dev_items}`"] * (not cadence.dev_items_given)
    if looks:
        budget = f"for looks that take at most {recipe.evaluation.budget_percent:g} % of the training time"
        yield f"{' and '.join(looks)}, {budget if cadence.within_budget else 'the least that tells anything'}"


def notes_of(
    recipe: Recipe, exam: Exam, capabilities: tuple[CapabilityPlan, ...], replay: ReplayState | None
) -> Iterator[str]:
    """What a plan leaves out, assumes or cannot know."""
    for name, task in exam.tasks.items():
        if isinstance(task, FixedTask) and (n := task.pool.unanswered):
            yield f"{name}: {n:,} record{'s' * (n != 1)} without an answer left out"
    kinds = {c.discordance for c in capabilities}
    assumed = [f"{ASSUMED_DISCORDANCE:g} of right-or-wrong items turn"] * (ASSUMED_DISCORDANCE in kinds)
    assumed += [f"a mean squared change of {ASSUMED_SPREAD:g} in other scores"] * (ASSUMED_SPREAD in kinds)
    yield f"assumed, for nobody has measured it yet: {' and '.join(assumed)} (a wrong guess costs items, not validity)"
    yield "an upper bound for the certificate: verdicts that are clear early and a walk that stops early cost less"
    if recipe.evaluation.stop_early:
        yield (
            "`stop_early`: the base's test part is an upper bound too, and what the items can show is told of all of "
            "them judged at once; judged in turn they show a little less"
        )
    lists = [f"`{c.capability}`" for c in capabilities if c.target == "list"]
    if lists:
        yield f"judged on this list of items, and saying nothing of others: {', '.join(lists)}"
    if replay is not None and not replay.complete:
        yield "replay rows are not written yet: their lengths are those of a few that were"
    if recipe.replay is not None and replay is not None:
        yield from _coverage(recipe.replay, replay)
    if recipe.replay is not None and recipe.replay.endpoint is not None:
        yield (
            f"replay is answered at the endpoint `{recipe.replay.endpoint}`, which was not asked: the bill has the "
            "tokens that are generated there, but not the time"
        )


def _coverage(settings: ReplaySettings, replay: ReplayState) -> Iterator[str]:
    """What will be done so that self-written prompts cover what is kept, and what is known to be uncovered."""
    if settings.coverage is not None and replay.continues:
        yield "`replay.coverage` is not read: without a chat template the base writes texts, and no prompts"
        return
    if replay.unwritten:
        yield f"the base has {replay.unwritten:,} prompts to write, for {settings.rows:,} rows that it answers"
    if replay.unwritten and not replay.holes and settings.coverage != "as_written":
        missing = settings.rows - len(replay.prompts)
        most = prompts_for_each(1, rows=settings.rows, replaced=missing)
        yield (
            "abilities that these leave uncovered are found once they are written: for each the base then writes up "
            f"to {most:,} more, which is not in the bill"
        )
    for hole in replay.holes:
        yield (
            f"`{hole.capability}` is not covered by the other replay prompts (likeness {hole.likeness:g}); "
            f"{hole.prompts:,} prompts are written that begin as its items do"
        )


def alike_in(sources: Sequence[LoadedSource]) -> Iterator[str]:
    """What may go from the sources, and stays unless the recipe says so."""
    for source in sources:
        if source.near_duplicates and not source.near_left_out:
            yield f"`{source.name}` has {source.describe_near_duplicates()}; `near_duplicates: drop` leaves them out"


def _sampled(blended: Blend) -> Iterator[str]:
    for spec in blended.stream.specs:
        rows = blended.accounts[spec.name].sampled_from
        if rows is not None:
            error = 100 * spec.tokens_error / spec.tokens
            yield (
                f"`{spec.name}` has {rows:,} rows, and a sample of them was tokenised: about {spec.tokens:,} tokens "
                f"(standard error {error:.2g} %); steps that follow from epochs are as uncertain"
            )


def _strictness(recipe: Recipe, look: int, alpha: float) -> Iterator[str]:
    if recipe.evaluation.strict:
        yield (
            f"strict: this would be look {look} at these test items, which may spend {alpha:.3g} of the level "
            f"{recipe.evaluation.alpha:g}; if it fails, nothing is told but that"
        )


def warnings_of(
    recipe: Recipe, cadence: Cadence, capabilities: tuple[CapabilityPlan, ...], alpha: float
) -> Iterator[str]:
    """What a user should know before the run begins, and may want to change."""
    if not cadence.within_budget:
        looks = f"{cadence.looks:,} look{'s' * (cadence.looks != 1)}"
        less = ["raise `every_steps`"] * (cadence.looks > 1 and cadence.every_steps_given)
        less += ["lower `dev_items`"] * cadence.dev_items_given
        yield (
            f"{looks} would take {100 * cadence.share:.0f} % of the training time, more than "
            f"`evaluation.budget_percent: {recipe.evaluation.budget_percent:g}`; "
            f"{', '.join([*less, 'keep fewer abilities'])}, or allow more"
        )
    if recipe.constraints and cadence.looks < 2:
        yield "constraints move λ after a look, and the only look is at the end: lower `evaluation.every_steps`"
    yield from warnings_about(capabilities, alpha=alpha)
