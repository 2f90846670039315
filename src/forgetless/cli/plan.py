"""`forgetless plan RECIPE`: what a run will do, show and cost, before anything is trained."""

from __future__ import annotations

from forgetless.cli.options import JsonFile, RecipeFile
from forgetless.records import to_json


def plan(recipe: RecipeFile, json: JsonFile = None) -> None:
    """Show what a run will do, what its items can show, and what it will cost in hours, memory and disk.

    A few steps and answers of the real model are measured, and thrown away. `train` then follows this very plan.
    """
    from forgetless.cli.console import narrator, results_console, write_json
    from forgetless.recipe import load_recipe

    settings = load_recipe(recipe)
    from forgetless.cli.plan_page import show_plan
    from forgetless.planning import plan as make

    with narrator() as tell:
        made = make(settings, progress=tell.progress)
    show_plan(made, results_console(json))
    write_json(to_json(made), json)
