"""`forgetless sweep RECIPE`: the best of many runs, under the constraints."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from forgetless.cli.options import JsonFile, RecipeFile
from forgetless.cli.train import shipped_exit_code, shipped_verdicts
from forgetless.records import to_json

_OF_TRIALS = {"evaluation", "alarm", "stop", "chosen", "path", "shipped"}
"""What is said of a trial; sources, mixture and losses are the same or many, and stand in its folder."""


def sweep(
    recipe: RecipeFile,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a sweep that was killed.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what it would do and cost.")] = False,
    json: JsonFile = None,
) -> None:
    """Try the values under `sweep` of a recipe, and certify the trial that learns most of those that lose nothing.

    Trials are compared on the dev part. The exit code speaks of the model that the chosen one ships, as `train`'s.
    """
    from forgetless.cli.console import narrator, print_table, results_console, write_json
    from forgetless.recipe import load_sweep

    settings = load_sweep(recipe)
    from forgetless.cli.sweep_page import plan_lines, trial_table
    from forgetless.reporting import verdict_table
    from forgetless.sweeping import plan_sweep
    from forgetless.sweeping import sweep as run_sweep

    console = results_console(json)
    with narrator() as tell:
        if plan:
            made = to_json(plan_sweep(settings, progress=tell.progress))
            console.print(plan_lines(made), markup=False)
            write_json(made, json)
            return

        def on_event(event: dict[str, Any]) -> None:
            if "of_trial" not in event or event["event"] in _OF_TRIALS:
                tell.event(event, of=event.get("of_trial", ""))

        done = run_sweep(settings, resume=resume, progress=tell.progress, on_event=on_event)
    certificate, chosen = done.result.certificate, done.trials[0]
    print_table(trial_table(done), json)
    verdicts = shipped_verdicts(certificate, settings.recipe.ship)
    print_table(verdict_table(*verdicts, done.result.covered or None), json)
    lines = [f"chosen: {chosen.name} ({', '.join(f'{path}: {value}' for path, value in chosen.values.items())})",
             f"model: {done.result.model}", f"report: {done.result.report}"]  # fmt: skip
    console.print("\n".join(lines), markup=False)
    write_json(
        {
            "chosen": done.chosen,
            "trials": [to_json(trial) | {"folder": str(trial.folder)} for trial in done.trials],
            "certificate": to_json(certificate),
            "model": str(done.result.model),
            "report": str(done.result.report),
        },
        json,
    )
    raise typer.Exit(shipped_exit_code(certificate, settings.recipe.ship))
