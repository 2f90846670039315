"""`forgetless compare BASE TUNED`: verdicts for two finished models, or for what lm-eval has logged of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from forgetless.cli.exits import exit_code
from forgetless.cli.options import HtmlFile, JsonFile, JunitFile
from forgetless.errors import UserError
from forgetless.records import CompareResult, to_json

_OF_SAMPLES = "of lm-eval samples alone"


def compare(
    base: Annotated[
        str,
        typer.Argument(
            help="The model before: a folder, GGUF file or hub id, `endpoint:NAME` from the recipe, or what lm-eval "
            "has logged of it with --log_samples.",
            show_default=False,
        ),
    ],
    tuned: Annotated[str, typer.Argument(help="The same of the model after.", show_default=False)],
    recipe: Annotated[
        Path | None,
        typer.Option("--recipe", help="What to ask models: a recipe, or only its `keep` and `domain`.", metavar="FILE"),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option("--task", help=f"A task or pattern to judge, {_OF_SAMPLES}; may be repeated.", metavar="TASK"),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option("--group", help=f"Pool the tasks GROUP_..., {_OF_SAMPLES}; may be repeated.", metavar="GROUP"),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", help=f"The metric of a task, {_OF_SAMPLES}.", metavar="TASK=METRIC[,FILTER]"),
    ] = None,
    margin: Annotated[
        list[str] | None,
        typer.Option("--margin", help=f"The most that it may drop, {_OF_SAMPLES}.", metavar="POINTS|TASK=POINTS"),
    ] = None,
    other_prompts: Annotated[
        bool, typer.Option("--other-prompts", help=f"Pair answers to differing prompts, {_OF_SAMPLES}.")
    ] = False,
    json: JsonFile = None,
    junit: JunitFile = None,
    html: HtmlFile = None,
) -> None:
    """Judge what a finished fine-tune kept and what it dropped.

    Models are asked what the recipe says. Two outputs of lm-evaluation-harness are judged as they are.

    Exit code: 0 all kept, 1 something dropped, 3 something undecided or nothing kept.
    """
    from forgetless.samples import holds_samples

    logged = [holds_samples(side) for side in (base, tuned)]
    if any(logged):
        _only_samples([side for side, is_logged in zip((base, tuned), logged, strict=True) if not is_logged], recipe)
        result = _of_samples(base, tuned, task or [], group or [], metric or [], margin or [], other_prompts)
    else:
        given = {"--task": task, "--group": group, "--metric": metric, "--margin": margin}
        _only_models([option for option, value in given.items() if value] + ["--other-prompts"] * other_prompts)
        result = _of_models(base, tuned, recipe)
    _show(result, base, tuned, json, junit, html)
    raise typer.Exit(exit_code(result.verdicts))


def _of_models(base: str, tuned: str, recipe: Path | None) -> CompareResult:
    if recipe is None:
        raise _nothing_to_ask(base, tuned)
    from forgetless.recipe import load_comparison

    settings = load_comparison(recipe)
    from forgetless.cli.console import narrator
    from forgetless.comparison import compare as run_comparison

    with narrator() as tell:
        return run_comparison(base, tuned, settings, progress=tell.progress)


def _of_samples(
    base: str,
    tuned: str,
    tasks: Sequence[str],
    groups: Sequence[str],
    metrics: Sequence[str],
    margins: Sequence[str],
    other_prompts: bool,
) -> CompareResult:
    by_name = [_named("--metric", given) for given in metrics]
    named = [_named("--margin", given) for given in margins if "=" in given]
    for_all = [_points(given, given) for given in margins if "=" not in given]
    if len(for_all) > 1:
        raise _bad_margin(", ".join(margins), "one number holds for every task that has none of its own")
    from forgetless.samples.compare import compare_samples

    return compare_samples(
        base,
        tuned,
        tasks=tasks,
        groups=groups,
        metrics=dict(by_name),
        margin_points=for_all[0] if for_all else None,
        margins_points={name: _points(value, f"{name}={value}") for name, value in named},
        any_prompts=other_prompts,
    )


def _show(
    result: CompareResult, base: str, tuned: str, json: Path | None, junit: Path | None, html: Path | None
) -> None:
    from forgetless.cli.console import err, print_table, write_json
    from forgetless.reporting import junit_xml, render_compared, verdict_table
    from forgetless.rundir import atomic_write

    for note in result.notes:
        err.print(f"note: {note}", markup=False)
    print_table(verdict_table(result.verdicts, result.domain), json)
    write_json(
        {"verdicts": to_json(result.verdicts), "domain": to_json(result.domain), "notes": list(result.notes)}, json
    )
    if junit is not None:
        atomic_write(junit, junit_xml(result.verdicts))
    if html is not None:
        atomic_write(html, render_compared(result, base=base, tuned=tuned))


def _only_samples(others: Sequence[str], recipe: Path | None) -> None:
    if others:
        raise UserError(
            field="model to compare",
            value=others[0],
            rule="holds no lm-eval samples, and the other side does: answers that were logged can only be compared "
            "with such answers to the same questions",
            way_out="give two models and a recipe, or two outputs of lm-eval",
        )
    if recipe is not None:
        raise UserError(
            field="--recipe",
            value=recipe,
            rule="says what to ask models, and lm-eval samples were asked already",
            way_out="leave it out; `--margin` and `--metric` say how samples are judged",
        )


def _only_models(options: Sequence[str]) -> None:
    if options:
        raise UserError(
            field=options[0],
            value="(given)",
            rule="says how lm-eval samples are judged, and these are models",
            way_out="write margins and tasks under `keep:` in the recipe",
        )


def _nothing_to_ask(base: str, tuned: str) -> UserError:
    empty = [side for side in (base, tuned) if Path(side).is_dir() and not any(Path(side).iterdir())]
    if empty:
        return UserError(
            field="model to compare",
            value=empty[0],
            rule="is an empty folder: there is neither a model nor lm-eval samples in it",
            way_out="give the folder of a model, or of what `lm_eval --log_samples --output_path FOLDER` has written",
        )
    return UserError(
        field="--recipe",
        value=f"(not given, and {base} and {tuned} are taken for models)",
        rule="says what to ask two models; only two outputs of lm-eval, written with `--log_samples`, need none",
        way_out="give a file with `keep:` in it, such as one line `keep: [general]`",
    )


def _named(option: str, given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not (name and equals and value):
        raise UserError(
            field=option, value=given, rule="is written `TASK=VALUE`", way_out=f"write it as `{option} gsm8k=...`"
        )
    return name, value


def _points(value: str, given: str) -> float:
    try:
        points = float(value)
    except ValueError:
        points = 0.0
    if not 0 < points < 100:
        raise _bad_margin(given, "a margin is a number of points between 0 and 100")
    return points


def _bad_margin(given: str, rule: str) -> UserError:
    return UserError(
        field="--margin", value=given, rule=rule, way_out="write `--margin 2`, and `--margin gsm8k=3` for one task"
    )
