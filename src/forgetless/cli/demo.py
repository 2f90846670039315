"""`forgetless demo`: the whole story on the embedded model, offline, in minutes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from forgetless.cli.options import JsonFile
from forgetless.errors import RunFolderError
from forgetless.rundir import open_run

MARKER = ".forgetless-demo"
"""Stands in a folder that a demo wrote, and may therefore delete."""


def demo(
    prompts: Annotated[
        Literal["given", "self"],
        typer.Option(help="Replay prompts: from a file that leaves two abilities out, or written by nano itself."),
    ] = "given",
    output: Annotated[Path, typer.Option(help="Where to write; an earlier demo there is replaced.")] = Path(
        "runs/demo"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Seeds data, training and items.")] = 0,
    json: JsonFile = None,
) -> None:
    """Fine-tune the embedded model three ways on the same rows, and show what each one cost.

    `plain` is a plain fine-tune, `plain_low_lr` the same at a third of the learning rate, `forgetless` holds ten
    abilities to the base while it learns the same domain.
    """
    started = time.monotonic()
    from forgetless.cli.console import narrator, print_table, results_console, write_json
    from forgetless.cli.demo_page import TITLE, arm_texts, arms_table, summary
    from forgetless.nano.demo import UNCOVERED, WRITTEN, write_demo
    from forgetless.pipeline import train
    from forgetless.ranks import refuse_ranks
    from forgetless.reporting import build_view, render_comparison
    from forgetless.rundir import atomic_write

    refuse_ranks("the demo")
    _clear(output, WRITTEN)
    uncovered = UNCOVERED if prompts == "given" else ()
    atomic_write(output / MARKER, "")
    recipes = write_demo(output, prompts=prompts, seed=seed)
    results = {}
    for arm, recipe in recipes.items():
        with narrator(prefix=f"[{arm}] ") as tell:
            results[arm] = train(recipe, folder=output, progress=tell.progress, on_event=_but_plans(tell.event))
    atomic_write(output / "report.html", render_comparison({arm: build_view(r.folder) for arm, r in results.items()},
                                                           title=TITLE, texts=arm_texts(prompts)))  # fmt: skip
    certificates = {arm: result.certificate for arm, result in results.items()}
    seconds = time.monotonic() - started
    tokens = {arm: result.tokens for arm, result in results.items()}
    print_table(arms_table(certificates, tokens, uncovered), json)
    results_console(json).print(f"page: {output / 'report.html'}\nseconds: {seconds:.0f}", markup=False)
    write_json(summary(certificates, tokens, seconds), json)


def _but_plans(told: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    """A plan weighs settings that a user may still change; those of the demo are fixed."""

    def on_event(event: dict[str, Any]) -> None:
        if event["event"] != "plan":
            told(event)

    return on_event


def _clear(output: Path, written: Iterable[str]) -> None:
    """Make room for a new demo; nothing is deleted but what an earlier one wrote and no other process is using."""
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return
    if not (output / MARKER).is_file():
        raise RunFolderError(
            field="--output",
            value=output,
            rule="holds files that are not an earlier demo's",
            way_out="give an empty or a new folder",
        )
    for run in sorted((output / "runs").glob("*")):
        open_run(run, resume=True).close()
    for name in written:
        path = output / name
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
