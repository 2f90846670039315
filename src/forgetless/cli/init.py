"""`forgetless init DATA`: look at data and model, write a commented recipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from forgetless.cli.asking import Asker
from forgetless.cli.options import rooted
from forgetless.errors import RecipeError

OWN_MARGINS = "own"


def init(
    data: Annotated[
        Path | None,
        typer.Argument(help="A data file: JSONL, JSON, CSV or Parquet.", metavar="DATA", show_default=False),
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="A folder, GGUF file or hub id.")] = None,
    keep: Annotated[
        str | None, typer.Option("--keep", help="Ready sets to keep, with commas between them.", metavar="NAMES")
    ] = None,
    margin: Annotated[
        str | None, typer.Option("--margin", help="Points that each may drop; `own` for each set's own.")
    ] = None,
    domain_metric: Annotated[
        Literal["exact", "number", "json", "answer_probability"] | None,
        typer.Option("--domain-metric", help="How the domain is measured; what fits the answers by default."),
    ] = None,
    question: Annotated[
        str | None, typer.Option("--question", help="The column of the question, in a table.", metavar="COLUMN")
    ] = None,
    answer: Annotated[
        str | None, typer.Option("--answer", help="The column of the answer, in a table.", metavar="COLUMN")
    ] = None,
    encoding: Annotated[
        str, typer.Option("--encoding", help="The encoding of the data file; told from its bytes by default.")
    ] = "auto",
    language: Annotated[Literal["en", "zh"], typer.Option("--language", help="Of the comments.")] = "en",
    output: Annotated[Path, typer.Option("--output", help="Where to write the recipe.")] = Path("recipe.yaml"),
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; take the defaults.")] = False,
) -> None:
    """Look at a data file and a model, and write a commented recipe that runs as it stands.

    Asks at most four questions, each of which an option answers, and none where standard input is no terminal.
    """
    _refuse_to_overwrite(output)
    asker = Asker(silent=yes)
    path = data or Path(asker.ask("Which data file", option="DATA"))
    base = model or asker.ask("Which model (a folder, GGUF file or hub id)", option="--model")
    from forgetless.cli.console import err, out
    from forgetless.drafting import Wishes, draft_recipe, look_at_data, write_recipe
    from forgetless.models import look_at_model
    from forgetless.rundir import atomic_write

    def which_answer(columns: Sequence[str]) -> str:
        return asker.ask(f"Which column holds the answer ({', '.join(columns)})", option="--answer")

    found = look_at_data(path, question=question, answer=answer, encoding=encoding, ask=which_answer)
    err.print(found.source.describe(), markup=False)
    look = look_at_model(base, folder=Path(), field="--model")
    kept = _names(keep or asker.ask("Which abilities to keep", option="--keep", default="general"))
    points = _points(margin or asker.ask("Points that each may drop", option="--margin", default=OWN_MARGINS))
    # What was not chosen is left to the draft, which adds what the data call for.
    chosen = () if keep is None and kept == ("general",) else kept
    wishes = Wishes(model=rooted(base), keep=chosen, margin_points=points, metric=domain_metric)
    draft = draft_recipe(found, look, wishes)
    text = write_recipe(draft, folder=output.parent, file_name=output.name, language=language)
    atomic_write(output, text)
    out.print(f"recipe: {output}", markup=False)
    err.print(f"next: forgetless train {output}", markup=False)


def _refuse_to_overwrite(output: Path) -> None:
    if output.exists():
        raise RecipeError(
            field="--output",
            value=output,
            rule="is already there, and somebody may have worked on it",
            way_out="give another name, or move it away",
        )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for part in text.split(",") if (name := part.strip()))


def _points(text: str) -> float | None:
    if text.strip().casefold() == OWN_MARGINS:
        return None
    try:
        return float(text)
    except ValueError:
        raise RecipeError(
            field="--margin", value=text, rule="is no number of points", way_out=f"write 5, say, or `{OWN_MARGINS}`"
        ) from None
