"""Is nano small enough to be the laboratory? One core: a fine-tune, and 2,000 items of each ability.

Both are timed several times in turn and the medians told. The fine-tune is the plain arm of the demo, without looks.
The items are fresh, asked of the base through the engine, with nothing from a cache.

    taskset -c 0 python bench/nano_speed.py [--rounds N]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch
from results import write_result

from forgetless import nano
from forgetless.engines import TransformersEngine
from forgetless.models import LoadedModel, load_model
from forgetless.nano.demo import write_demo
from forgetless.recipe import ProceduralTask, Recipe
from forgetless.stages import load_sources
from forgetless.tasks import build_task
from forgetless.training import blend, fit

ITEMS = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    training, asking = list[float](), list[float]()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        recipe = write_demo(folder)["plain"]
        base = load_model(recipe.model, folder=folder)
        for seed in range(rounds):
            training.append(fine_tune_seconds(recipe, base, folder, folder / f"run-{seed}"))
            asking.append(asking_seconds(recipe, base, folder, seed))
            print(f"round {seed}: fine-tune {training[-1]:.1f} s, items {asking[-1]:.1f} s", flush=True)
    figures = {
        "fine_tune_seconds": {"median": statistics.median(training), "rounds": training},
        "asking_seconds": {"median": statistics.median(asking), "rounds": asking, "items": ITEMS * len(nano.ABILITIES)},
    }
    print(f"medians: fine-tune {statistics.median(training):.1f} s, items {statistics.median(asking):.1f} s")
    write_result("nano_speed", figures, seed=0)


def fine_tune_seconds(recipe: Recipe, base: LoadedModel, folder: Path, output: Path) -> float:
    """From rows to trained weights."""
    started = time.perf_counter()
    rows = {source.name: source.rows for source in load_sources(recipe, folder)}
    fit(
        base,
        blend(rows, (), base.format, recipe=recipe),
        settings=recipe.training,
        output=output,
        every_steps=10_000,
        on_evaluate=lambda model, step, tokens: None,
        seed=recipe.seed,
    )
    return time.perf_counter() - started


def asking_seconds(recipe: Recipe, base: LoadedModel, folder: Path, seed: int) -> float:
    """Fresh items of every ability, drawn, asked and scored."""
    started = time.perf_counter()
    engine = TransformersEngine(
        base.model, base.format, model_hash=base.hash, batch_tokens=recipe.evaluation.batch_tokens
    )
    for name in nano.ABILITIES:
        settings = ProceduralTask(type="procedural", generator=f"nano/{name}", items=ITEMS, max_new_tokens=16)
        task = build_task(name, settings, folder=folder, seed=seed)
        results = task.score(engine, task.items("test", limit=ITEMS, seed=seed))
        assert sum(result.score or 0.0 for result in results) > 0.9 * ITEMS, f"{name} is no longer known"
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
