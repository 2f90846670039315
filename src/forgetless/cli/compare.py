"""`forgetless compare BASE TUNED --recipe FILE`: verdicts for two finished models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from forgetless.cli.exits import exit_code
from forgetless.cli.options import JsonFile, JunitFile
from forgetless.records import to_json


def compare(
    base: Annotated[
        str,
        typer.Argument(
            help="The model before: a folder, GGUF file or hub id, or `endpoint:NAME` from the recipe.",
            show_default=False,
        ),
    ],
    tuned: Annotated[str, typer.Argument(help="The model after.", show_default=False)],
    recipe: Annotated[
        Path,
        typer.Option("--recipe", help="What to ask: a recipe, or only its `keep` and `domain`.", show_default=False),
    ],
    json: JsonFile = None,
    junit: JunitFile = None,
) -> None:
    """Judge what a finished fine-tune kept and what it dropped.

    Exit code: 0 all kept, 1 something dropped, 3 something undecided or nothing kept.
    """
    from forgetless.cli.console import err, narrator, results_console, write_json
    from forgetless.recipe import load_comparison

    settings = load_comparison(recipe)
    from forgetless.comparison import compare as run_comparison
    from forgetless.reporting import junit_xml, verdict_table
    from forgetless.rundir import atomic_write

    with narrator() as tell:
        result = run_comparison(base, tuned, settings, progress=tell.progress)
    for note in result.notes:
        err.print(f"note: {note}", markup=False)
    results_console(json).print(verdict_table(result.verdicts, result.domain))
    write_json(
        {"verdicts": to_json(result.verdicts), "domain": to_json(result.domain), "notes": list(result.notes)}, json
    )
    if junit is not None:
        atomic_write(junit, junit_xml(result.verdicts))
    raise typer.Exit(exit_code(result.verdicts))
