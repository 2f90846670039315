"""What a sweep will do and cost, before anything is trained.

The trials go in, and what all of them stand on; out come their rungs, steps and hours. Every trial is planned like a
run of its own, so one that does not fit on this machine is refused here; what was measured for one is used for all that
take the same work.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from forgetless.pipeline import run_folder
from forgetless.planning import Plan, Room, make_plan
from forgetless.planning.measured import speed_key
from forgetless.planning.nouns import Work
from forgetless.planning.room import check_disk, disk_room
from forgetless.progress import Progresses, unwatched
from forgetless.recipe import Recipe, SweepRecipe, SweepTrial, settled
from forgetless.stages import Ground, lay_ground
from forgetless.sweeping.halving import field_sizes, first_rung, rung_ends
from forgetless.training import checkpoint_bytes, saved_bytes

_FOR_EACH_TRIAL: Final[tuple[Work, ...]] = ("training", "looks")
_FOR_EACH_REPLAY: Final[tuple[Work, ...]] = ("replay",)
_ONCE: Final[tuple[Work, ...]] = ("noise", "base_dev", "certificate", "base_test")


@dataclass(frozen=True, slots=True)
class TrialPlan:
    """One trial: the swept settings, what a plan settles, and the steps at which its rungs end."""

    name: str
    values: dict[str, Any]
    steps: int
    every_steps: int
    dev_items: int
    ends: tuple[int, ...]

    def settle(self, recipe: Recipe) -> Recipe:
        """The trial's recipe with these gaps filled."""
        return settled(
            recipe, steps=self.steps, every_steps=self.every_steps, dev_items=self.dev_items, margin_points={}
        )


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """Everything that is known of a sweep before it trains.

    `field` has the trials of each rung. `steps` and `seconds` are of the whole sweep, as if every trial took the mean
    of all; the seconds are an upper bound like those of a run. `disk` is the fullest moment, when the checkpoints of
    all trials of a rung stand side by side. `budgets` say what training may lose of each ability (rule 15).
    """

    combinations: int
    trials: tuple[TrialPlan, ...]
    field: tuple[int, ...]
    steps: int
    seconds: float
    disk: Room
    budgets: dict[str, float]
    warnings: tuple[str, ...] = ()


def plan_sweep(sweep: SweepRecipe, *, folder: Path | None = None, progress: Progresses = unwatched) -> SweepPlan:
    """What a sweep would do and cost. Nothing is trained and no run folder is made.

    Args:
        sweep: What to try; see `load_sweep`.
        folder: What relative paths in the recipe are relative to; by default where the recipe was read from.
        progress: Gives a `(done, total)` callback for a described piece of long work, or `None`.

    Raises:
        UserError: Something in the recipe, the data or the model needs mending, or does not fit on this machine.
    """
    folder = folder or sweep.recipe.folder
    return make_sweep_plan(sweep, lay_ground(sweep.recipe, folder), run_folder(sweep.recipe, folder), progress)


def make_sweep_plan(sweep: SweepRecipe, ground: Ground, output: Path, progress: Progresses) -> SweepPlan:
    """The plan of a sweep.

    Args:
        sweep: What to try.
        ground: What all trials stand on.
        output: Where the sweep will write; need not exist.
        progress: Gives a callback for measuring.

    Raises:
        ResourceError: A trial does not fit into memory, or all of them not onto the disk.
        RecipeError: A run is too short for its rungs.
        UserError: The data or the model cannot be used as a trial wants.
    """
    planner = _Planner(ground, output, progress)
    plans = [planner.with_rungs(trial, sweep) for trial in sweep.trials]
    dev_items = min(plan.cadence.dev_items for plan in plans)
    trials = tuple(_trial_plan(trial, plan, sweep, dev_items) for trial, plan in zip(sweep.trials, plans, strict=True))
    field = field_sizes(len(trials), halving=sweep.settings.halving, rungs=sweep.settings.rungs)
    disk = _disk(sweep, ground, trials, field, output)
    check_disk(disk, output)
    return SweepPlan(
        combinations=sweep.combinations,
        trials=trials,
        field=field,
        steps=round(_over_rungs(trials, field, [plan.steps for plan in plans])),
        seconds=_over_rungs(trials, field, [_seconds(plan, _FOR_EACH_TRIAL) for plan in plans])
        + _replay_seconds(sweep.trials, plans)
        + _seconds(plans[0], _ONCE),
        disk=disk,
        budgets={c.capability: c.aim for c in plans[0].capabilities},
        warnings=(*dict.fromkeys(warning for plan in plans for warning in plan.warnings), *_too_short(sweep, trials)),
    )


class _Planner:
    """Plans trials, and those that take the same work once."""

    def __init__(self, ground: Ground, output: Path, progress: Progresses) -> None:
        self._ground = ground
        self._output = output
        self._progress = progress
        self._made: dict[tuple[object, ...], Plan] = {}

    def with_rungs(self, trial: SweepTrial, sweep: SweepRecipe) -> Plan:
        """The plan of a trial whose looks fall on its rungs, where the recipe leaves the looks open."""
        recipe, settings = trial.recipe, sweep.settings
        if recipe.evaluation.every_steps is None and settings.rungs > 1:
            steps = recipe.training.steps or self._plan(recipe).steps
            first = first_rung(steps, halving=settings.halving, rungs=settings.rungs)
            recipe = settled(recipe, steps=None, every_steps=first, dev_items=None, margin_points={})
        return self._plan(recipe)

    def _plan(self, recipe: Recipe) -> Plan:
        length = (recipe.training.steps, recipe.training.epochs)
        key = (speed_key(recipe, self._ground), recipe.evaluation.every_steps, length)
        if key not in self._made:
            self._made[key] = make_plan(recipe, self._ground, self._output, anew=False, progress=self._progress)
        return self._made[key]


def _trial_plan(trial: SweepTrial, plan: Plan, sweep: SweepRecipe, dev_items: int) -> TrialPlan:
    every = plan.cadence.every_steps
    ends = rung_ends(plan.steps, every_steps=every, halving=sweep.settings.halving, rungs=sweep.settings.rungs)
    return TrialPlan(trial.name, trial.values, plan.steps, every, dev_items, ends)


def _over_rungs(trials: Sequence[TrialPlan], field: Sequence[int], of_whole_runs: Sequence[float]) -> float:
    """What the sweep takes of something that whole runs take so much of, evenly over their steps."""
    total = 0.0
    for rung, size in enumerate(field):
        parts = [
            whole * (trial.ends[rung] - (trial.ends[rung - 1] if rung else 0)) / trial.steps
            for trial, whole in zip(trials, of_whole_runs, strict=True)
        ]
        total += size * sum(parts) / len(parts)
    return total


def _seconds(plan: Plan, works: Collection[Work]) -> float:
    return sum(cost.seconds for cost in plan.bill if cost.work in works)


def _replay_seconds(trials: Sequence[SweepTrial], plans: Sequence[Plan]) -> float:
    """Replay rows are written once for all trials that ask for the same ones; how much they weigh changes none."""
    once = {}
    for trial, plan in zip(trials, plans, strict=True):
        asked = trial.recipe.replay.model_dump_json(exclude={"share"}) if trial.recipe.replay else None
        once[asked] = _seconds(plan, _FOR_EACH_REPLAY)
    return sum(once.values())


def _disk(sweep: SweepRecipe, ground: Ground, trials: Sequence[TrialPlan], field: Sequence[int], output: Path) -> Room:
    """The checkpoints of the largest trials of a rung side by side, and one run that is saved and certified beside."""
    base = ground.base.model
    fullest = 0
    for rung, size in enumerate(field):
        stands = []
        for trial, plan in zip(sweep.trials, trials, strict=True):
            training = trial.recipe.training
            older = -(-plan.ends[rung] // plan.every_steps) - 1
            stands.append(checkpoint_bytes(base, training) + older * saved_bytes(base, training))
        fullest = max(fullest, sum(sorted(stands)[-size:]))
    rooms = [disk_room(trial.recipe, ground, looks=1, output=output) for trial in sweep.trials]
    return Room(fullest + max(room.needed_bytes for room in rooms), rooms[0].available_bytes)


def _too_short(sweep: SweepRecipe, trials: Sequence[TrialPlan]) -> list[str]:
    warming = max(trial.recipe.training.warmup_steps for trial in sweep.trials)
    first = min(trial.ends[0] for trial in trials)
    if first > warming:
        return []
    return [
        f"the first rung ends at step {first:,} and tells little of a trial, for the learning rate is not warm by then "
        f"(`training.warmup_steps: {warming}`); lower `sweep.rungs` or `sweep.halving`"
    ]
