"""`forgetless train RECIPE`: fine-tune, hold, certify, report."""

from __future__ import annotations

from typing import Annotated

import typer

from forgetless.cli.exits import DROPPED, KEPT, UNDECIDED, exit_code
from forgetless.cli.options import JsonFile, RecipeFile
from forgetless.records import Certificate, Verdict, to_json


def train(
    recipe: RecipeFile,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was killed.")] = False,
    json: JsonFile = None,
) -> None:
    """Fine-tune by a recipe under the guard, certify what was saved, write the report.

    The exit code speaks of the model that the recipe ships: 0 all kept, 1 something dropped, 3 something undecided or
    nothing kept.
    """
    from forgetless.cli.console import narrator, print_table, results_console, write_json
    from forgetless.recipe import load_recipe

    settings = load_recipe(recipe)
    from forgetless.pipeline import train as run_pipeline
    from forgetless.reporting import mixture_table, verdict_table

    with narrator() as tell:
        result = run_pipeline(settings, resume=resume, progress=tell.progress, on_event=tell.event)
    certificate = result.certificate
    print_table(mixture_table(result.mixture), json)
    print_table(verdict_table(*shipped_verdicts(certificate, settings.ship), result.covered or None), json)
    results_console(json).print(f"model: {result.model}\nreport: {result.report}", markup=False)
    write_json({"certificate": to_json(certificate), "model": str(result.model), "report": str(result.report)}, json)
    raise typer.Exit(shipped_exit_code(certificate, settings.ship))


def shipped_verdicts(certificate: Certificate, ship: str) -> tuple[tuple[Verdict, ...], Verdict | None]:
    """The verdicts on the model that the recipe ships, and the domain's."""
    if ship == "certified" and certificate.certified_a and certificate.certified_verdicts:
        return certificate.certified_verdicts, certificate.certified_domain
    return certificate.verdicts, certificate.domain


def shipped_exit_code(certificate: Certificate, ship: str) -> int:
    """What a script learns of the model that the recipe ships."""
    if ship == "best":
        return exit_code(certificate.verdicts)
    if ship == "certified":
        return KEPT if certificate.certified or certificate.certified_a > 0 else UNDECIDED
    return KEPT if certificate.certified else (exit_code(certificate.verdicts) or DROPPED)
