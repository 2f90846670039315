"""`forgetless tasks list | show NAME | try NAME`: what can be asked, some of it, a model measured by some."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from forgetless.cli.options import JsonFile, rooted

if TYPE_CHECKING:
    from forgetless.guard import Trial
    from forgetless.recipe import ComparisonRecipe, Recipe

Name = Annotated[
    str,
    typer.Argument(
        help="A ready set, `nano/NAME`, `lm_eval/NAME` or `reasoning_gym/NAME`; with --recipe an entry of its `keep`, "
        "or `domain`.",
        metavar="NAME",
    ),
]
RecipeOf = Annotated[
    Path | None,
    typer.Option("--recipe", help="A recipe that describes the task.", metavar="FILE", show_default=False),
]
Items = Annotated[int, typer.Option("--items", min=2, help="How many items.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Draws the items.")]


def list_tasks(
    package: Annotated[
        str | None,
        typer.Argument(help="`lm_eval` or `reasoning_gym`: list the names of that package.", metavar="[PACKAGE]"),
    ] = None,
    json: JsonFile = None,
) -> None:
    """List the ready sets with what they cost, the types of tasks, and what else can be named."""
    from forgetless.cli.console import out, results_console, write_json
    from forgetless.cli.tasks_page import ready_sets_table, task_types_table
    from forgetless.recipe import BUNDLES, ready_margin
    from forgetless.tasks import GENERATORS, SETS, cost_of, names_in, planned_items

    if package is not None:
        names = names_in(package)
        if json is None:
            out.print("\n".join(names), markup=False)
        write_json({package: names}, json)
        return
    told: dict[str, Any] = {}
    for name, found in SETS.items():
        cost = cost_of(name)
        told[name] = {"kind": found.kind, "about": found.about, "needs": found.needs,
                      "margin_points": ready_margin(name), "items": planned_items(name),
                      "tokens_read": cost.read, "tokens_written": cost.written}  # fmt: skip
    console = results_console(json)
    console.print(ready_sets_table(told))
    console.print(task_types_table(sorted(GENERATORS)))
    write_json({"sets": told, "bundles": BUNDLES, "generators": sorted(GENERATORS)}, json)


def show(
    name: Name,
    recipe: RecipeOf = None,
    model: Annotated[
        str | None,
        typer.Option("--model", help="Show prompts as this model's chat template writes them.", show_default=False),
    ] = None,
    items: Items = 5,
    seed: Seed = 0,
    json: JsonFile = None,
) -> None:
    """Show some items as a model is asked them."""
    from forgetless.cli.console import results_console, write_json
    from forgetless.cli.tasks_page import item_lines
    from forgetless.tasks import sample_named, shown_item

    sample = sample_named(name, n=items, seed=seed, recipe=_read(recipe))
    format = None
    if model is not None:
        from forgetless.models import load_format

        format = load_format(rooted(model), folder=Path(), field="--model").format
    shown = [shown_item(sample.scorer, item, format) for item in sample.items]
    console = results_console(json)
    for number, item in enumerate(shown, start=1):
        console.print(item_lines(number, item), markup=False)
    write_json({"name": name, "items": shown}, json)


def try_task(
    name: Name,
    model: Annotated[str, typer.Option("--model", help="A folder, GGUF file or hub id.", show_default=False)],
    recipe: RecipeOf = None,
    items: Items = 60,
    shown: Annotated[
        int, typer.Option("--shown", min=0, help="How many of them to print with prompt, answer and score.")
    ] = 3,
    seed: Seed = 0,
    json: JsonFile = None,
) -> None:
    """Measure a model on some items: what it is asked, what it says, its score, whether there is something to keep."""
    from forgetless.cli.console import narrator, results_console, write_json
    from forgetless.cli.tasks_page import item_lines, trials_table
    from forgetless.recipe import BUNDLES, ModelSettings
    from forgetless.tasks import sample_named, shown_item

    described = _read(recipe)
    names = BUNDLES[name] if name in BUNDLES and recipe is None else (name,)
    samples = [sample_named(each, n=items, seed=seed, recipe=described) for each in names]
    from forgetless.engines import TransformersEngine
    from forgetless.guard import try_sample
    from forgetless.models import load_model

    loaded = load_model(ModelSettings(path=rooted(model)), folder=Path())
    engine = TransformersEngine(loaded.model, loaded.format, model_hash=loaded.hash)
    trials: list[tuple[Trial, float]] = []
    answers: dict[str, list[dict[str, Any]]] = {}
    with narrator() as tell:
        for sample in samples:
            started = time.monotonic()
            trial = try_sample(engine, sample, progress=tell.progress(sample.name))
            trials.append((trial, time.monotonic() - started))
            answers[sample.name] = [
                shown_item(sample.scorer, item, loaded.format) | {"answer": result.output, "score": result.score}
                for item, result in zip(sample.items, trial.results, strict=True)
            ]
    console = results_console(json)
    for number, item in enumerate(answers[name][:shown] if len(samples) == 1 else (), start=1):
        console.print(item_lines(number, item), markup=False)
    console.print(trials_table(trials, by_subject=len(trials) == 1))
    write_json(
        {trial.name: _told(trial, seconds) | {"answers": answers[trial.name]} for trial, seconds in trials}, json
    )


def _told(trial: Trial, seconds: float) -> dict[str, Any]:
    from forgetless.records import to_json

    told: dict[str, Any] = to_json(trial)
    del told["results"]
    return told | {"said": trial.said, "seconds": round(seconds, 1)}


def _read(recipe: Path | None) -> Recipe | ComparisonRecipe | None:
    from forgetless.recipe import load_comparison

    return None if recipe is None else load_comparison(recipe)
