"""How long a large data set takes to its first step, in which memory, and how long a resumed run takes to its next.

Writes short rows (JSONL, seeded) into a temporary folder and starts the pipeline of `forgetless train` on nano in
processes of their own, each with an empty cache unless it says otherwise. Seconds count from the start of the process.
Prints the figures and writes bench/results/large_data.json.

python bench/large_data.py                                              # 10,000 rows against 1,000,000
python bench/large_data.py --rows 20000 --resume-rows 5000 --steps 50   # a look at it
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import yaml
from results import write_result

import forgetless as fl
from forgetless import nano

SMALL_ROWS = 10_000
SEED = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--resume-rows", type=int, default=100_000, help="0 resumes no run")
    parser.add_argument("--steps", type=int, default=5_000, help="where the run that is resumed was killed")
    parser.add_argument("--child", type=Path, metavar="RECIPE", help=argparse.SUPPRESS)
    parser.add_argument("--until", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--resume", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        run_until(arguments.child, arguments.until, resume=arguments.resume)
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), arguments.rows, arguments.resume_rows, arguments.steps)
    print(json.dumps(figures, indent=2))
    print(write_result("large_data", figures, seed=SEED))


def measure(folder: Path, rows: int, resume_rows: int, steps: int) -> dict[str, Any]:
    small = start(world(folder / "small", SMALL_ROWS, every_steps=100), until=1)
    large_recipe = world(folder / "large", rows, every_steps=100)
    large = start(large_recipe, until=1)
    again = start(large_recipe, until=1)
    figures = {
        "first_step": [{"rows": SMALL_ROWS, **small}, {"rows": rows, **large}],
        "first_step_rows_kept_from_before": {"rows": rows, **again},
        "peak_memory_difference_bytes": large["peak_memory_bytes"] - small["peak_memory_bytes"],
    }
    if resume_rows:
        resumed_recipe = world(folder / "resumed", resume_rows, every_steps=steps)
        start(resumed_recipe, until=steps + 1)
        resumed = start(resumed_recipe, until=steps + 1, resume=True)
        figures["next_step_after_resuming"] = {"rows": resume_rows, "step": steps, **resumed}
    return figures


def start(recipe: Path, *, until: int, resume: bool = False) -> dict[str, Any]:
    """Seconds to a step of a run in a process of its own, and the most memory that it held."""
    command = [sys.executable, __file__, "--child", str(recipe), "--until", str(until), *(["--resume"] * resume)]
    environment = os.environ | {"FORGETLESS_CACHE": str(recipe.parent / "cache")}
    child = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    figures = json.loads(child.stdout.splitlines()[-1])
    print(recipe.parent.name, figures, file=sys.stderr, flush=True)
    return figures


def run_until(recipe: Path, step: int, *, resume: bool) -> None:
    """Run the pipeline; at the end of a step print what it took and end the process."""
    ready: dict[str, dict[str, float]] = {}

    def since_start() -> float:
        return round(time.time() - psutil.Process().create_time(), 2)

    def cpu_seconds() -> float:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return round(used.ru_utime + used.ru_stime, 2)

    def progress(what: str) -> Any:
        return on_step if what == "training" else None

    def on_event(event: dict[str, Any]) -> None:
        ready.setdefault(event["event"], {"seconds": since_start(), "cpu_seconds": cpu_seconds()})

    def on_step(done: int, total: int) -> None:
        if done >= step:
            figures = {
                "seconds": since_start(),
                "cpu_seconds": cpu_seconds(),
                "until": ready,
                "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            }
            print(json.dumps(figures), flush=True)
            os._exit(0)

    fl.train(fl.load_recipe(recipe), resume=resume, progress=progress, on_event=on_event)


def world(folder: Path, rows: int, *, every_steps: int) -> Path:
    """Rows and a recipe; the domain is measured on rows that are held out."""
    folder.mkdir()
    draw = random.Random(SEED)
    words = [f"{a}{b}" for a in ("ba", "de", "fi", "go", "lu", "mi") for b in ("n", "r", "s", "t", "l")]
    with (folder / "rows.jsonl").open("w", encoding="utf-8") as file:
        for number in range(rows):
            prompt = f"{number}: {' '.join(draw.choices(words, k=draw.randint(4, 12)))}?"
            file.write(json.dumps({"prompt": prompt, "completion": " ".join(draw.choices(words, k=4))}) + "\n")
    ability = {"type": "procedural", "generator": "nano/sorting", "items": 40, "dev_items": 8, "max_new_tokens": 4}
    recipe = {
        "name": "large",
        "seed": SEED,
        "model": {"path": str(nano.MODEL_PATH), "dtype": "float32", "device": "cpu"},
        "sources": {"rows": {"kind": "domain", "files": ["rows.jsonl"], "share": 1.0}},
        "training": {"epochs": 1, "batch_rows": 1, "max_length_tokens": 96, "learning_rate": 1e-4},
        "domain": {"task": {"type": "held_out", "percent": 5, "max_items": 60, "score": "answer_probability"}},
        "keep": {"sorting": {"margin_points": 50, "task": ability}},
        "evaluation": {"every_steps": every_steps, "dev_items": 8, "stop_on_alarm": False, "path": [1.0]},
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe), "utf-8")
    return path


if __name__ == "__main__":
    main()
