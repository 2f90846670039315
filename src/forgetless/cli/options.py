"""Options that several commands share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from forgetless.errors import RunFolderError


def _writable(parameter: typer.CallbackParam, path: Path | None) -> Path | None:
    """Try before hours of work whether their result can be written."""
    if path is None or str(path) == "-":
        return path
    place = next(p for p in (path.absolute(), *path.absolute().parents) if p.exists())
    if path.is_dir() or not os.access(place, os.W_OK):
        raise RunFolderError(
            field=f"--{parameter.name}",
            value=path,
            rule="is a folder" if path.is_dir() else "cannot be written there",
            way_out="name a file in a folder that may be written to",
        )
    return path


JsonFile = Annotated[
    Path | None,
    typer.Option(
        "--json",
        help="Write the result as JSON to this file (`-` for standard output).",
        metavar="FILE",
        callback=_writable,
    ),
]
JunitFile = Annotated[
    Path | None,
    typer.Option("--junit", help="Write the verdicts as JUnit XML to this file.", metavar="FILE", callback=_writable),
]
HtmlFile = Annotated[
    Path | None,
    typer.Option(
        "--html", help="Write the verdicts as a page of their own to this file.", metavar="FILE", callback=_writable
    ),
]
RecipeFile = Annotated[Path, typer.Argument(help="The recipe, a YAML file.", metavar="RECIPE", show_default=False)]


def rooted(path: str) -> str:
    """A local path as the shell meant it, since paths in a recipe are relative to the recipe; a hub id as it is."""
    return str(Path(path).resolve()) if Path(path).exists() else path
