"""Which learning rate is best for the demo's domain? Plain fine-tunes of nano over a grid, several seeds each.

The demo compares forgetless with plain fine-tuning at the rate that serves the domain best, so the rate has to be
looked for. Prints and writes bench/results/demo_rates.json: right answers on fresh held-out phrasings by rate.

    python bench/demo_rates.py
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from results import write_result

from forgetless.engines import TransformersEngine
from forgetless.models import load_model
from forgetless.nano.demo import write_demo
from forgetless.recipe import Recipe
from forgetless.stages import load_sources
from forgetless.tasks import build_task
from forgetless.training import blend, fit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=float, nargs="+", default=[5e-4, 7e-4, 1e-3, 1.5e-3, 2e-3])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--items", type=int, default=1000)
    arguments = parser.parse_args()
    scores: dict[float, list[float]] = {}
    for rate in arguments.rates:
        for seed in range(arguments.seeds):
            started = time.monotonic()
            score = domain_score(rate, seed, arguments.items)
            scores.setdefault(rate, []).append(score)
            print(f"rate {rate:g}, seed {seed}: {score:.3f} ({time.monotonic() - started:.0f} s)", flush=True)
    means = {f"{rate:g}": statistics.mean(s) for rate, s in scores.items()}
    best = max(means, key=means.__getitem__)
    print(f"best: {best} ({means[best]:.3f})")
    figures = {"by_rate": {f"{r:g}": s for r, s in scores.items()}, "best": best, "items": arguments.items}
    write_result("demo_rates", figures, seed=0)


def domain_score(rate: float, seed: int, items: int) -> float:
    """Share of right answers on the domain after a plain fine-tune at this rate."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        recipe = with_rate(write_demo(folder, seed=seed)["plain"], rate)
        base = load_model(recipe.model, folder=folder)
        rows = {s.name: s.rows for s in load_sources(recipe, folder)}
        found: list[float] = []
        task = build_task("domain", recipe.domain.task, folder=folder, seed=seed)
        questions = task.items("test", limit=items, seed=12_345)

        def on_evaluate(model: Any, step: int, tokens: int) -> None:
            engine = TransformersEngine(model, base.format, model_hash=f"step-{step}", batch_tokens=16384)
            results = task.score(engine, questions)
            found.append(statistics.mean(r.score or 0.0 for r in results))

        fit(
            base,
            blend(rows, (), base.format, recipe=recipe),
            settings=recipe.training,
            output=folder / "checkpoints",
            every_steps=10_000,
            on_evaluate=on_evaluate,
            seed=seed,
        )
        return found[-1]


def with_rate(recipe: Recipe, rate: float) -> Recipe:
    return recipe.model_copy(update={"training": recipe.training.model_copy(update={"learning_rate": rate})})


if __name__ == "__main__":
    main()
