"""Does a plan tell the truth? Plans a run, trains it, and compares hours, memory and disk.

The run is a process of its own, so its memory is its own. Without a recipe the demo's forgetless arm on nano is taken,
with the cadence left to the plan. Prints a table and writes bench/results/plan_accuracy.json.

    python bench/plan_accuracy.py
    python bench/plan_accuracy.py --recipe recipes/banking77-smollm2.yaml --part 0.1 --name plan_accuracy_smollm2
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from recipe_parts import read_part
from results import write_result

import forgetless as fl
from forgetless.nano.demo import write_demo
from forgetless.recipe import dump_recipe
from forgetless.rundir import read_events

TRAIN = """
import resource, sys
from pathlib import Path
import forgetless as fl
recipe = Path(sys.argv[1])
try:
    fl.train(fl.load_recipe(recipe), folder=recipe.parent)
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""
KINDS = {
    "replay": ("replay",),
    "training": ("training",),
    "noise and looks": ("noise", "looks", "base_dev"),
    "certificate": ("certificate", "base_test"),
}


class Compared(NamedTuple):
    """A predicted and a measured figure; `bound` says that the prediction is an upper bound."""

    predicted: float
    measured: float
    bound: bool = False

    @property
    def error(self) -> float | None:
        """How far the prediction is off, as a share of what was measured."""
        return self.predicted / self.measured - 1 if self.measured else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, help="a recipe; by default one for nano is made")
    parser.add_argument("--part", type=float, default=1.0, help="of a recipe's rows and items; margins are widened")
    parser.add_argument("--name", default="plan_accuracy", help="of the file in bench/results")
    parser.add_argument("--rows", type=int, default=2000, help="replay rows of the nano recipe")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        # Nothing that an earlier run has kept may make this one cheaper.
        os.environ["FORGETLESS_CACHE"] = f"{place}/cache"
        recipe = arguments.recipe.resolve() if arguments.recipe else nano_recipe(Path(place), arguments.rows)
        recipe = elsewhere(recipe, Path(place), arguments.part)
        try:
            plan = fl.plan(fl.load_recipe(recipe), folder=recipe.parent)
            run, peak, disk = train(recipe)
        finally:
            recipe.unlink()
        figures = compare(plan, run, peak, disk)
    print(table(figures))
    write_result(
        arguments.name,
        {
            "recipe": str(arguments.recipe or "nano"),
            "part": arguments.part,
            "device": plan.speeds.device,
            "steps": plan.steps,
            "looks": plan.cadence.looks,
            "load": os.getloadavg(),
            "compared": {name: found._asdict() | {"error": found.error} for name, found in figures.items()},
        },
        seed=0,
    )


def nano_recipe(folder: Path, rows: int) -> Path:
    """The demo's forgetless arm with fewer items, and nothing said about when to look."""
    data = write_demo(folder)["forgetless"].model_dump(mode="json")
    for capability in data["keep"].values():
        capability["task"]["items"] = 600
    data["domain"]["task"]["items"] = 600
    data["replay"]["rows"] = rows
    data["training"]["epochs"] = 2
    data["evaluation"] |= {"every_steps": None, "dev_items": None, "path": [0.5, 1.0]}
    path = folder / "recipe.yaml"
    path.write_text(dump_recipe(fl.parse_recipe(data)), encoding="utf-8")
    return path


def elsewhere(recipe: Path, place: Path, part: float) -> Path:
    """The same recipe, or a part of it, writing its run into a folder that goes away."""
    data = read_part(recipe, part) | {"output": str(place / "runs")}
    copy = recipe.with_name(f".{recipe.stem}.plan_accuracy.yaml")
    copy.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return copy


def train(recipe: Path) -> tuple[Path, int, int]:
    """Train in another process; its run folder, its peak memory, and the most that the folder held, in bytes."""
    run = Path(fl.load_recipe(recipe).output) / fl.load_recipe(recipe).name
    over, most = threading.Event(), 0

    def watch() -> None:
        nonlocal most
        while not over.wait(0.5):
            most = max(most, folder_bytes(run))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        done = subprocess.run([sys.executable, "-c", TRAIN, str(recipe)], check=True, stdout=subprocess.PIPE, text=True)
    finally:
        over.set()
        watcher.join()
    return run, int(done.stdout.split()[-1]), max(most, folder_bytes(run))


def folder_bytes(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:  # gone again
            continue
    return total


def compare(plan: fl.Plan, run: Path, peak: int, disk: int) -> dict[str, Compared]:
    events = list(read_events(run))
    first: dict[str, dict[str, Any]] = {}
    for event in events:
        first.setdefault(event["event"], event)
    times = {name: event["time"] for name, event in first.items()}
    looks = [event["seconds"] for event in events if event["event"] == "evaluation"]
    measured = {
        "replay": first["replay"]["seconds"] if "replay" in first else 0.0,
        "training": times["chosen"] - times["mixture"] - sum(looks),
        "noise and looks": times["noise"] - times["plan"] + sum(looks),
        "certificate": times["shipped"] - times["chosen"],
    }
    costs = {cost.work: cost.seconds for cost in plan.bill}
    predicted = {kind: sum(costs.get(work, 0.0) for work in works) for kind, works in KINDS.items()}
    found = {kind: Compared(predicted[kind], measured[kind], kind == "certificate") for kind in KINDS}
    found["hours without the certificate"] = Compared(
        sum(predicted[k] for k in KINDS if k != "certificate"), sum(measured[k] for k in KINDS if k != "certificate")
    )
    found["hours"] = Compared(sum(predicted.values()), sum(measured.values()), bound=True)
    found["memory"] = Compared(plan.memory.needed_bytes, peak)
    found["disk"] = Compared(plan.disk.needed_bytes, disk, bound=True)
    return found


def table(figures: dict[str, Compared]) -> str:
    lines = ["| | predicted | measured | error |", "|---|---|---|---|"]
    for name, found in figures.items():
        scale, unit = (1e-6, "MB") if name in ("memory", "disk") else (1.0, "s")
        error = "–" if found.error is None else f"{100 * found.error:+.0f} %"
        predicted, measured = (f"{scale * value:,.1f} {unit}" for value in (found.predicted, found.measured))
        lines.append(f"| {name} | {'at most ' * found.bound}{predicted} | {measured} | {error} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
