"""A run follows its plan: made once, kept in the run folder, and never made again for the same run."""

from __future__ import annotations

from forgetless.planning.make import make_plan
from forgetless.recipe import Recipe, dump_recipe, settled
from forgetless.records import to_json
from forgetless.rundir import RunFolder
from forgetless.stages import Ground, Progress


def follow_plan(recipe: Recipe, ground: Ground, run: RunFolder, progress: Progress) -> Recipe:
    """The recipe with every gap filled by the run's plan.

    The filled recipe replaces the one in the run folder, and then the plan becomes an event: a run that has told its
    plan finds all of it there when it is resumed, whatever the speed of the machine is by then.

    Args:
        recipe: As `keep_recipe` gave it.
        ground: What the run stands on.
        run: The run folder.
        progress: Gives a callback for measuring.

    Raises:
        UserError: As `make_plan`.
    """
    if any(event["event"] == "plan" for event in run.events()):
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
