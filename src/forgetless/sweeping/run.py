"""A sweep, from its recipe to one certified model.

Every trial is a run with a folder of its own, which trains up to a rung, is looked at on the dev part, and goes on from
there if it stands well enough: nothing is trained twice. Base scores, replay rows and the base's likelihoods are in the
cache folder, so the trials after the first find them. The test part is touched once, by the trial that is chosen.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forgetless.errors import NonFiniteLossError
from forgetless.pipeline import Held, TrainResult, certify, hold, run_folder
from forgetless.progress import Progresses, unwatched
from forgetless.ranks import refuse_ranks
from forgetless.recipe import SweepRecipe, SweepTrial, dump_sweep
from forgetless.records import from_json, to_json
from forgetless.rundir import RunFolder, disk_errors, open_run
from forgetless.stages import Ground, OnEvent, keep_recipe, keep_settings, lay_ground
from forgetless.sweeping.plan import SweepPlan, make_sweep_plan
from forgetless.sweeping.standing import Standing, broken, ranked, standing_of


@dataclass(frozen=True, slots=True)
class TrialResult:
    """How far a trial came: its folder, the last rung that it reached (1, 2, …), and how it stood there."""

    name: str
    values: dict[str, Any]
    folder: Path
    rung: int
    standing: Standing


@dataclass(frozen=True, slots=True)
class SweepResult:
    """What a sweep leaves: its folder, the trials with the best first, the name of that one, and what certified it."""

    folder: Path
    trials: tuple[TrialResult, ...]
    chosen: str
    result: TrainResult


def sweep(
    recipe: SweepRecipe,
    *,
    folder: Path | None = None,
    resume: bool = False,
    progress: Progresses = unwatched,
    on_event: OnEvent | None = None,
) -> SweepResult:
    """Find the best domain score among trials that hold what is to be kept, and certify that trial.

    Args:
        recipe: What to try; see `load_sweep`.
        folder: What relative paths in the recipe are relative to; by default where the recipe was read from.
        resume: Go on with a sweep that was killed.
        progress: Gives a `(done, total)` callback for a described piece of long work, or `None`.
        on_event: Sees every event of the sweep as it happens, and those of its trials with their names as `of_trial`.

    Raises:
        UserError: Something in the recipe, the data, the model or the folder needs mending.
        NonFiniteLossError: Training broke down in all trials.
    """
    refuse_ranks("a sweep")
    folder = folder or recipe.recipe.folder
    with open_run(run_folder(recipe.recipe, folder), resume=resume) as run:
        run.on_event = on_event
        keep_settings(dump_sweep(recipe), run, resume=resume)
        ground = lay_ground(recipe.recipe, folder)
        plan = _told_plan(run) or make_sweep_plan(recipe, ground, run.path, progress)
        run.append_event("sweep", **to_json(plan))
        trials = _Trials(recipe, plan, ground, run, progress)

        racing = [trial.name for trial in recipe.trials]
        order: list[str] = []
        for rung in range(len(plan.field)):
            for name in racing:
                trials.train(name, rung)
            stood = {name: trials.standings[name][rung] for name in racing}
            best = ranked(stood)
            if stood[best[0]].broke is not None:
                raise NonFiniteLossError(f"all trials broke down. {best[0]}: {stood[best[0]].broke}")
            whole = [name for name in best if stood[name].broke is None]
            racing = whole[: plan.field[rung + 1]] if rung + 1 < len(plan.field) else whole
            left = [name for name in best if name not in racing]
            run.append_event("rung", rung=rung + 1, ranked=best, on=racing)
            trials.clear(left)
            order = racing + left + [name for name in order if name not in best]
        run.append_event("sweep_chosen", trial=racing[0])
        return trials.finish(order)


def _told_plan(run: RunFolder) -> SweepPlan | None:
    """The plan that a sweep follows, if it has told it."""
    told = next((event for event in run.events() if event["event"] == "sweep"), None)
    return None if told is None else from_json(SweepPlan, told)


class _Trials:
    """The runs of a sweep, and how they stood at each rung that they have reached, which `sweep.json` keeps.

    Args:
        recipe: What to try.
        plan: How far.
        ground: What all trials stand on.
        run: The folder of the sweep.
        progress: Gives a callback for long work.
    """

    def __init__(
        self, recipe: SweepRecipe, plan: SweepPlan, ground: Ground, run: RunFolder, progress: Progresses
    ) -> None:
        self.recipe = recipe
        self.plan = plan
        self.ground = ground
        self.run = run
        self.progress = progress
        kept = self.run.read_json("sweep.json") or {"trials": []}
        told = {trial["name"]: trial["standings"] for trial in kept["trials"]}
        self.standings = {t.name: [from_json(Standing, s) for s in told.get(t.name, [])] for t in recipe.trials}

    def train(self, name: str, rung: int) -> None:
        """Train a trial up to a rung and look at it, unless that is done.

        One that breaks down, by a learning rate that is too high for instance, ends no other.
        """
        if len(self.standings[name]) > rung:
            return
        trial, until = self._trial(name), self._ends(name)[rung]
        self.run.append_event("trial", trial=name, values=trial.values, rung=rung + 1, rungs=len(self.plan.field),
                              until=until)  # fmt: skip
        try:
            with self._open(trial) as run:
                guard = self._hold(trial, run, until).guard
        except NonFiniteLossError as error:
            self.run.append_event("trial_broke", trial=name, reason=str(error))
            standing = broken(str(error))
        else:
            step = guard.choose().step
            standing = standing_of(next(e for e in guard.evaluations if e.step == step), self.plan.budgets)
        self.standings[name].append(standing)
        self._write()

    def clear(self, names: Sequence[str]) -> None:
        """Remove the checkpoints of trials that go no further; their stories and scores stay."""
        for name in names:
            folder = self._folder(self._trial(name)) / "checkpoints"
            with disk_errors(folder):
                shutil.rmtree(folder, ignore_errors=True)

    def finish(self, order: Sequence[str]) -> SweepResult:
        """Certify the first trial, and tell how all of them stood."""
        trial = self._trial(order[0])
        with self._open(trial) as run:
            held = self._hold(trial, run, None)
            result = certify(held, run, progress=self.progress)
        results = tuple(
            TrialResult(name, self._trial(name).values, self._folder(self._trial(name)), len(self.standings[name]),
                        self.standings[name][-1])
            for name in order
        )  # fmt: skip
        self._write(chosen=trial.name, order=order, certified=result.certificate.certified,
                    model=self._relative(result.model), report=self._relative(result.report))  # fmt: skip
        return SweepResult(self.run.path, results, trial.name, result)

    def _hold(self, trial: SweepTrial, run: RunFolder, until: int | None) -> Held:
        """A trial goes on from wherever it stands, which may be nowhere."""
        if told := run.events():
            run.append_event("resumed", after=len(told))
        planned = next(plan for plan in self.plan.trials if plan.name == trial.name)
        recipe = keep_recipe(planned.settle(trial.recipe), run, resume=True)
        return hold(recipe, self.ground, run, resume=True, progress=self.progress, until=until)

    def _open(self, trial: SweepTrial) -> RunFolder:
        run, on_event = open_run(self._folder(trial), resume=True), self.run.on_event
        if on_event is not None:
            run.on_event = lambda event: on_event(event | {"of_trial": trial.name})
        return run

    def _trial(self, name: str) -> SweepTrial:
        return next(trial for trial in self.recipe.trials if trial.name == name)

    def _ends(self, name: str) -> tuple[int, ...]:
        return next(plan.ends for plan in self.plan.trials if plan.name == name)

    def _folder(self, trial: SweepTrial) -> Path:
        return run_folder(trial.recipe, self.ground.folder)

    def _relative(self, path: Path) -> str:
        return str(path.relative_to(self.run.path))

    def _write(self, **ending: object) -> None:
        trials = [
            {"name": t.name, "values": t.values, "folder": self._relative(self._folder(t)),
             "standings": to_json(self.standings[t.name])}
            for t in self.recipe.trials
        ]  # fmt: skip
        self.run.write_json("sweep.json", {"name": self.recipe.recipe.name, "trials": trials, **ending})
