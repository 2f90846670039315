"""A recipe for a real model, plain and with forgetless: what was learnt, what was kept, at what cost.

Runs the recipe (SmolLM2-135M-Instruct on BANKING77, unless another is named) twice on the same domain rows: once as it
stands, once as a plain fine-tune. Sizes and margins are those of the recipe. A run that was interrupted goes on where
it stood, and its pause is not counted. Prints a table and writes bench/results/first_run.json and first_run.svg.

    python scripts/fetch_model.py smollm2-135m-instruct && python bench/first_run.py
    python scripts/fetch_model.py gemma-3-270m &&
        python bench/first_run.py --recipe recipes/base-to-instruct.yaml --part 0.2 --name base_to_instruct
"""

from __future__ import annotations

import argparse
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

from recipe_parts import read_part
from results import write_result

import forgetless as fl
from forgetless.cli.console import narrator
from forgetless.records import Certificate, ScoreSheet, from_json, to_json
from forgetless.rundir import read_events
from forgetless.verdicts import compare_paired

ROOT = Path(__file__).parents[1]
RECIPE = ROOT / "recipes" / "banking77-smollm2.yaml"
ARMS = ("plain", "forgetless")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--arm", choices=[*ARMS, "both", "none"], default="both", help="`none` only reads the runs again"
    )
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    parser.add_argument("--part", type=float, default=1.0, help="of the recipe's rows; items and margins stay")
    parser.add_argument("--name", default="first_run", help="of the files in bench/results")
    arguments = parser.parse_args()
    folder = arguments.recipe.resolve().parent
    recipe = fl.parse_recipe(read_part(arguments.recipe, arguments.part, items_too=False), origin=str(arguments.recipe))
    recipes = {arm: recipe_of(arm, recipe) for arm in ARMS}
    for arm, of_arm in recipes.items():
        if arguments.arm in (arm, "both"):
            run(arm, of_arm, folder)
    runs = {arm: (folder / r.output / r.name).resolve() for arm, r in recipes.items()}
    if all((run_folder / "certificate.json").exists() for run_folder in runs.values()):
        report(arguments.name, recipe, {arm: read_arm(run_folder) for arm, run_folder in runs.items()})


def recipe_of(arm: str, recipe: fl.Recipe) -> fl.Recipe:
    """The recipe itself, or what people do: the same rows at the same rate, without replay and KL."""
    if arm == "forgetless":
        return recipe
    data = recipe.model_dump()
    data["name"] = f"{recipe.name}-plain"
    data["replay"] = None
    data["training"]["kl_weight"] = 0.0
    (source,) = data["sources"].values()
    source["share"] = 1.0
    # An alarm must not shorten the arm that shows what goes wrong.
    data["evaluation"]["stop_on_alarm"] = False
    return fl.parse_recipe(data, origin="plain")


def run(arm: str, recipe: fl.Recipe, folder: Path) -> None:
    run_folder = folder / recipe.output / recipe.name
    if (run_folder / "certificate.json").exists():
        return
    with narrator(prefix=f"[{arm}] ") as tell:
        fl.train(
            recipe,
            folder=folder,
            resume=(run_folder / "events.jsonl").exists(),
            progress=tell.progress,
            on_event=tell.event,
        )


def read_arm(folder: Path) -> dict[str, Any]:
    certificate = from_json(Certificate, json.loads((folder / "certificate.json").read_text()))
    events = list(read_events(folder))
    last = [e for e in events if e["event"] == "log"][-1]
    sheets = [from_json(ScoreSheet, json.loads(p.read_text())) for p in (folder / "scores").glob("*.json")]
    domain = max(
        (s for s in sheets if s.task == "domain" and s.model_hash == certificate.model_hash),
        key=lambda sheet: len(sheet.results),
    )
    return {
        "certificate": certificate,
        "domain": domain.results,
        "tokens": sum(v for k, v in last.items() if k.startswith("tokens_")),
        "steps": last["step"],
        "seconds": sum(b["time"] - a["time"] for a, b in pairwise(events) if b["event"] != "resumed"),
    }


def report(name: str, recipe: fl.Recipe, arms: dict[str, dict[str, Any]]) -> None:
    plain, held = arms["plain"], arms["forgetless"]
    paired = compare_paired(plain["domain"], held["domain"])
    scores = {arm: a["certificate"].domain.tuned_score for arm, a in arms.items()}
    ratio = scores["forgetless"] / scores["plain"]
    print(f"domain: plain {scores['plain']:.3f}, forgetless {scores['forgetless']:.3f}, ratio {ratio:.3f}")
    low, high = paired.interval
    print(f"difference forgetless - plain, paired, 95 %: {low:+.3f} to {high:+.3f} (n = {paired.n})")
    for verdict in held["certificate"].verdicts:
        other = next(v for v in plain["certificate"].verdicts if v.capability == verdict.capability)
        print(
            f"{verdict.capability}: base {verdict.base_score:.3f}, plain {other.tuned_score:.3f} ({other.outcome}), "
            f"forgetless {verdict.tuned_score:.3f} ({verdict.outcome}, bound {verdict.lower:+.4f}, n = {verdict.n})"
        )
    for arm, a in arms.items():
        print(f"{arm}: {a['tokens']:,} tokens, {a['steps']} steps, {a['seconds'] / 60:.0f} minutes")
    write_result(
        name,
        {
            "recipe": recipe.name,
            "model": Path(recipe.model.path).name,
            "domain_ratio": ratio,
            "domain_difference": {"estimate": paired.estimate, "interval": paired.interval, "n": paired.n},
            "arms": {
                arm: {"certificate": to_json(a["certificate"]), "tokens": a["tokens"], "seconds": a["seconds"]}
                for arm, a in arms.items()
            },
        },
        seed=0,
    )
    draw(name, arms)


def draw(name: str, arms: dict[str, dict[str, Any]]) -> None:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    verdicts = {arm: {v.capability: v for v in a["certificate"].verdicts} for arm, a in arms.items()}
    capabilities = list(verdicts["forgetless"])
    figure, axes = pyplot.subplots(figsize=(7.5, 0.7 + 0.6 * len(capabilities)), layout="constrained")
    for offset, (arm, colour) in zip((-0.14, 0.14), (("plain", "#c2410c"), ("forgetless", "#0f766e")), strict=True):
        for row, capability in enumerate(capabilities):
            v = verdicts[arm][capability]
            low, high = (100 * x for x in v.interval)
            axes.plot([low, high], [row + offset] * 2, color=colour, lw=2.5)
            axes.plot([100 * v.estimate], [row + offset], "o", color=colour, label=arm if row == 0 else None)
    for row, capability in enumerate(capabilities):
        margin = -100 * verdicts["forgetless"][capability].margin
        axes.plot([margin] * 2, [row - 0.35, row + 0.35], color="#64748b", ls=":", lw=1.5)
    axes.axvline(0, color="#64748b", lw=0.8)
    axes.set_yticks(range(len(capabilities)), [n.replace("_", " ") for n in capabilities])
    axes.invert_yaxis()
    axes.set_xlabel("change against the base in points, 95 % interval; dotted: the margin")
    axes.set_xscale("symlog", linthresh=2)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.legend(frameon=False)
    figure.savefig(ROOT / "bench" / "results" / f"{name}.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
