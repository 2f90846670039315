"""The whole way of a run, in order.

A recipe goes in; a run folder comes out, with the model, the certificate and the page. Whoever reads only this file
knows the system: read the data, set the exam, plan, let the base answer, blend, train under the guard, choose, save,
certify what was saved, ship, report. `train` does it all; a sweep holds many runs up to a step each, and certifies one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from forgetless.guard import Certifier, Frozen, Guard
from forgetless.mixture import realised_shares
from forgetless.planning import follow_plan, looks_in
from forgetless.progress import Progresses, unwatched
from forgetless.ranks import led
from forgetless.recipe import Recipe, dump_recipe
from forgetless.records import Certificate, MixtureShare
from forgetless.replaying import covered_by_replay, replay_parts, replay_rows
from forgetless.reporting import write_report
from forgetless.rundir import RunFolder, content_hash, open_run
from forgetless.stages import (
    Ground,
    OnEvent,
    keep_manifest,
    keep_recipe,
    keep_rejects,
    lay_ground,
    multipliers_of,
    noises_of_base,
    shared_scores,
    ship,
    tell_mixture,
    tell_sources,
    train_under_guard,
)
from forgetless.training import Blend, blend, checkpoint_model


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What `train` leaves: the run folder, the certificate, the model that the recipe ships, the page, and the bill.

    `mixture` is what every source was asked to give, and gave. `covered` says of each ability whether replay rows lie
    close to it; empty without replay.
    """

    folder: Path
    certificate: Certificate
    tokens: int
    model: Path
    report: Path
    covered: dict[str, bool | None]
    mixture: tuple[MixtureShare, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """A run that has been trained under the guard, up to its last look or to a pause; what certifying it needs.

    `recipe` has every gap filled by the run's plan, and `noises` say how far the base differs from itself (rule 6).
    """

    recipe: Recipe
    ground: Ground
    blended: Blend
    guard: Guard
    noises: Mapping[str, float]


@led
def train(
    recipe: Recipe,
    *,
    folder: Path | None = None,
    resume: bool = False,
    progress: Progresses = unwatched,
    on_event: OnEvent | None = None,
) -> TrainResult:
    """Fine-tune by a recipe, hold what is to be kept, and certify the result.

    Args:
        recipe: What to do; see `load_recipe`.
        folder: What relative paths in the recipe are relative to; by default where the recipe was read from.
        resume: Go on with a run that was killed.
        progress: Gives a `(done, total)` callback for a described piece of long work, or `None`.
        on_event: Sees every event of the run as it happens.

    Raises:
        UserError: Something in the recipe, the data, the model or the folder needs mending.
    """
    folder = folder or recipe.folder
    with open_run(run_folder(recipe, folder), resume=resume) as run:
        run.on_event = on_event
        if resume:
            run.append_event("resumed", after=len(run.events()))
        recipe = keep_recipe(recipe, run, resume=resume)
        held = hold(recipe, lay_ground(recipe, folder), run, resume=resume, progress=progress)
        return certify(held, run, progress=progress)


def run_folder(recipe: Recipe, folder: Path) -> Path:
    """Where the run of a recipe stands, whose relative paths start from `folder`."""
    return folder / Path(recipe.output).expanduser() / recipe.name


def hold(
    recipe: Recipe, ground: Ground, run: RunFolder, *, resume: bool, progress: Progresses, until: int | None = None
) -> Held:
    """Plan, let the base answer, blend and train under the guard; all of it, or up to the look at step `until`."""
    exam, base = ground.exam, ground.base
    keep_manifest(recipe, base, exam, run)
    tell_sources(ground, run)
    recipe = follow_plan(recipe, ground, run, progress)
    noises = noises_of_base(recipe, ground, run, progress)

    replay = replay_rows(recipe, ground, run, progress)
    parts = replay_parts(recipe, exam, replay)
    blended = blend(ground.rows, replay, base.format, recipe=recipe, parts=parts)
    keep_rejects(ground.sources, run, blended)
    tell_mixture(blended, blended.plan.shares, run)

    guard = Guard(exam, base=ground.engine, settings=recipe.evaluation, run=run, base_scores=shared_scores(),
                  planned_evaluations=looks_in(blended.plan.steps, recipe.evaluation.every_steps),
                  seed=recipe.seed, noises=noises,
                  multipliers=multipliers_of(recipe, ground, blended, run, progress), progress=progress)  # fmt: skip
    train_under_guard(recipe, base, blended, guard, run, resume, progress, until)
    return Held(recipe, ground, blended, guard, noises)


def certify(held: Held, run: RunFolder, *, progress: Progresses) -> TrainResult:
    """Choose a checkpoint, save it, certify what was saved, ship it and report."""
    recipe, blended, guard = held.recipe, held.blended, held.guard
    exam, base = held.ground.exam, held.ground.base
    mixture = realised_shares(blended.plan, blended.stream)
    tell_mixture(blended, mixture, run)

    choice = guard.choose()
    run.append_event("chosen", step=choice.step, reason=choice.reason)
    chosen = partial(checkpoint_model, base, run.path / "checkpoints", choice.step, recipe.training)
    frozen = Frozen.save(base, chosen, run.path / "model", batch_tokens=recipe.evaluation.batch_tokens)
    certifier = Certifier(exam, settings=recipe.evaluation, run=run, base_scores=shared_scores(),
                          discordance=guard.discordance(choice.step), seed=recipe.seed,
                          recipe_hash=content_hash(dump_recipe(recipe)), noises=held.noises,
                          progress=progress)  # fmt: skip
    certificate = certifier.certify(frozen, choice)
    run.write_json("certificate.json", certificate)
    run.append_event("samples", items=certifier.examples(frozen, certificate))
    model = ship(recipe, certificate, run)
    return TrainResult(run.path, certificate, sum(blended.stream.tokens().values()), model, write_report(run.path),
                       covered_by_replay(run), mixture)  # fmt: skip
