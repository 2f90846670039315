"""`forgetless tasks list | show NAME | try NAME`: the ready sets, some of their items, a model measured by some."""

from __future__ import annotations

import difflib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from forgetless.cli.options import JsonFile, rooted
from forgetless.errors import TaskError
from forgetless.records import Item, to_json

if TYPE_CHECKING:
    from rich.table import Table

    from forgetless.guard import Trial
    from forgetless.recipe import ReadyName

SetName = Annotated[str, typer.Argument(help="A ready set, as `tasks list` names it.", metavar="NAME")]
Items = Annotated[int, typer.Option("--items", min=2, help="How many items.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Draws the items.")]


def list_sets(json: JsonFile = None) -> None:
    """List the ready sets: what they ask, how many items a certificate takes, and what an item costs in tokens."""
    from forgetless.cli.console import results_console, write_json
    from forgetless.recipe import BUNDLES, ready_margin
    from forgetless.tasks import SETS, cost_of, planned_items

    table = _table("Ready sets: write their names under `keep`")
    for column in ("set", "kind", "asks whether a model"):
        table.add_column(column)
    for column in ("margin", "items", "read", "written"):
        table.add_column(column, justify="right")
    told: dict[str, Any] = {}
    for name, found in SETS.items():
        cost, items, margin = cost_of(name), planned_items(name), ready_margin(name)
        needs = f" (needs {found.needs})" if found.needs else ""
        table.add_row(name, found.kind, found.about + needs, f"{margin:g}", f"{items:,}", f"{cost.read:,}",
                      f"{cost.written:,}" if cost.written else "")  # fmt: skip
        told[name] = {"kind": found.kind, "about": found.about, "needs": found.needs, "margin_points": margin,
                      "items": items, "tokens_read": cost.read, "tokens_written": cost.written}  # fmt: skip
    table.caption = "margin: points; items: for the certificate; read, written: about so many tokens an item, at most\n"
    table.caption += "\n".join(f"{bundle}: {', '.join(members)}" for bundle, members in BUNDLES.items())
    results_console(json).print(table)
    write_json({"sets": told, "bundles": BUNDLES}, json)


def show(name: SetName, items: Items = 5, seed: Seed = 0) -> None:
    """Show some items of a ready set."""
    from forgetless.cli.console import out
    from forgetless.tasks import SETS

    for number, item in enumerate(SETS[_known(name)].sample(name, n=items, seed=seed), start=1):
        out.print(_shown(number, item), markup=False)


def try_set(
    name: Annotated[str, typer.Argument(help="A ready set, or `general` for all of them.", metavar="NAME")],
    model: Annotated[str, typer.Option("--model", help="A folder, GGUF file or hub id.", show_default=False)],
    items: Items = 60,
    seed: Seed = 0,
    json: JsonFile = None,
) -> None:
    """Measure a model on some items of a ready set: its score, and whether there is something to keep."""
    from forgetless.cli.console import narrator, results_console, write_json
    from forgetless.recipe import BUNDLES, ModelSettings

    names = BUNDLES[name] if name in BUNDLES else (_known(name),)
    from forgetless.engines import TransformersEngine
    from forgetless.guard import try_set as measure_set
    from forgetless.models import load_model

    loaded = load_model(ModelSettings(path=rooted(model)), folder=Path())
    engine = TransformersEngine(loaded.model, loaded.format, model_hash=loaded.hash)
    trials: list[tuple[Trial, float]] = []
    with narrator() as tell:
        for each in names:
            started = time.monotonic()
            trial = measure_set(engine, _known(each), n=items, seed=seed, progress=tell.progress(each))
            trials.append((trial, time.monotonic() - started))
    results_console(json).print(_trials(trials, by_subject=len(trials) == 1))
    write_json({t.name: to_json(t) | {"said": t.said, "seconds": round(s, 1)} for t, s in trials}, json)


def _known(name: str) -> ReadyName:
    from forgetless.recipe import READY_SETS

    if name not in READY_SETS:
        near = difflib.get_close_matches(name, READY_SETS, n=1)
        raise TaskError(
            field="NAME",
            value=name,
            rule=f"is none of the ready sets: {', '.join(READY_SETS)}",
            way_out=f"did you mean `{near[0]}`?" if near else "choose one of these",
        )
    return cast("ReadyName", name)


def _shown(number: int, item: Item) -> str:
    prompt = item.messages[-1].content.replace("\n", "\n   ")
    lines = [f"{number}. {prompt}", f"   kind: {item.subject}"]
    if item.choices:
        lines.append("   choices: " + " | ".join(f"[{c}]" if c == item.target else c for c in item.choices))
    elif item.target:
        lines.append(f"   expected: {item.target}")
    return "\n".join(lines) + "\n"


def _trials(trials: list[tuple[Trial, float]], *, by_subject: bool) -> Table:
    table = _table("Score in %, and what an answerer that knows nothing gets")
    table.add_column("set")
    for column in ("score", "chance", "items", "seconds"):
        table.add_column(column, justify="right")
    table.add_column("for a recipe")
    for trial, seconds in trials:
        score = "unknown" if trial.score is None else f"{100 * trial.score:.1f}"
        table.add_row(trial.name, score, f"{100 * trial.chance:.1f}", str(trial.n), f"{seconds:.1f}", trial.said)
        for subject, mean in trial.subjects.items() if by_subject else ():
            table.add_row(f"  {subject}", f"{100 * mean:.1f}")
    return table


def _table(title: str) -> Table:
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", caption_justify="left")
