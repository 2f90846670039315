"""`forgetless report RUN`: write the page of a run again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from forgetless.cli.options import JsonFile
from forgetless.errors import RunFolderError


def report(
    run: Annotated[Path, typer.Argument(help="The run folder.", metavar="RUN", show_default=False)],
    json: JsonFile = None,
) -> None:
    """Write `report.html` of a run folder again, from what the run left there."""
    if not (run / "events.jsonl").is_file():
        raise RunFolderError(
            field="run",
            value=run,
            rule="is not a run folder: it holds no events.jsonl",
            way_out="give the folder that `forgetless train` printed, such as runs/NAME",
        )
    if (run / "sweep.json").is_file():
        raise RunFolderError(
            field="run",
            value=run,
            rule="is the folder of a sweep, which has a page for the trial that it chose",
            way_out="give the folder of that trial, which `sweep.json` names",
        )
    from forgetless.cli.console import results_console, write_json
    from forgetless.reporting import write_report

    path = write_report(run)
    results_console(json).print(f"report: {path}", markup=False)
    write_json({"report": str(path)}, json)
