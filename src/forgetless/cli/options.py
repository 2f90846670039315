"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

JsonFile = Annotated[
    Path | None,
    typer.Option("--json", help="Write the result as JSON to this file (`-` for standard output).", metavar="FILE"),
]
RecipeFile = Annotated[Path, typer.Argument(help="The recipe, a YAML file.", metavar="RECIPE", show_default=False)]


def rooted(path: str) -> str:
    """A local path as the shell meant it, since paths in a recipe are relative to the recipe; a hub id as it is."""
    return str(Path(path).resolve()) if Path(path).exists() else path
