"""A run follows its plan: made once, kept in the run folder, and never made again for the same run."""

from __future__ import annotations

from forgetless.planning.make import make_plan
from forgetless.planning.room import check_rest
from forgetless.progress import Progresses
from forgetless.recipe import Recipe, dump_recipe, settled
from forgetless.records import to_json
from forgetless.rundir import RunFolder
from forgetless.stages import Ground, told_plan


def follow_plan(recipe: Recipe, ground: Ground, run: RunFolder, progress: Progresses) -> Recipe:
    """The recipe with every gap filled by the run's plan.

    The filled recipe replaces the one in the run folder, and then the plan becomes an event: a run that has told its
    plan finds all of it there when it is resumed, whatever the speed of the machine is by then.

    Args:
        recipe: As `keep_recipe` gave it.
        ground: What the run stands on.
        run: The run folder.
        progress: Gives a callback for measuring.

    Raises:
        ResourceError: A run that is resumed finds no room on the disk for the rest.
        UserError: As `make_plan`.
    """
    told = told_plan(run)
    if told is not None:
        check_rest(told["disk"]["needed_bytes"], run.path)
        return recipe
    plan = make_plan(recipe, ground, run.path, anew=False, progress=progress)
    recipe = settled(
        recipe,
        steps=plan.steps,
        every_steps=plan.cadence.every_steps,
        dev_items=plan.cadence.dev_items,
        margin_points={c.name: round(100 * c.margin, 6) for c in ground.exam.capabilities},
    )
    run.write_text("recipe.yaml", dump_recipe(recipe))
    run.append_event("plan", **to_json(plan))
    return recipe
