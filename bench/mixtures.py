"""Which mixture keeps most? nano on the demo's domain, trained on the same domain rows within six mixtures.

General instructions are right answers to questions of nano's other kinds, none of them an ability that is measured;
replay is written by nano itself and held by KL; raw text is of the kinds that nano was pretrained on, trained by
cross-entropy. Prints a table and writes bench/results/mixtures.json: domain score, mean and worst change of the ten
abilities against the base, over seeds.

    python bench/mixtures.py
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from results import write_result

from forgetless import nano
from forgetless.engines import Engine, TransformersEngine
from forgetless.models import load_model
from forgetless.recipe import ProceduralTask, Recipe, parse_recipe
from forgetless.recipe.mix import DEFAULT_SHARES
from forgetless.rundir import atomic_write, cache_folder
from forgetless.stages import load_sources
from forgetless.synthesis import self_replay
from forgetless.tasks import build_task
from forgetless.training import blend, fit

KINDS = ("general", "replay", "text")
MIXTURES = ((), ("general",), ("text",), ("replay",), ("replay", "general"), ("replay", "text"), KINDS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--items", type=int, default=400, help="of each ability, and of the domain")
    arguments = parser.parse_args()
    figures = {}
    with tempfile.TemporaryDirectory() as cache:
        os.environ["FORGETLESS_CACHE"] = cache
        for kinds in MIXTURES:
            started = time.monotonic()
            runs = [run(kinds, seed, arguments.items) for seed in range(arguments.seeds)]
            name = " + ".join(("domain", *kinds))
            figures[name] = {key: [r[key] for r in runs] for key in runs[0]}
            means = {key: statistics.mean(values) for key, values in figures[name].items()}
            print(
                f"{name}: domain {means['domain']:.1%}, abilities {means['mean_change']:+.1%} in the mean, "
                f"{means['worst_change']:+.1%} the worst ({time.monotonic() - started:.0f} s)",
                flush=True,
            )
    write_result("mixtures", {"shares": DEFAULT_SHARES, "items": arguments.items, "mixtures": figures}, seed=0)


def run(kinds: tuple[str, ...], seed: int, items: int) -> dict[str, float]:
    """The domain score after training, and what the abilities lost, as shares of their items."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        recipe = write_recipe(folder, kinds, seed)
        base = load_model(recipe.model, folder=folder)
        engine = TransformersEngine(base.model, base.format, model_hash=base.hash, batch_tokens=16384)
        rows = {source.name: source.rows for source in load_sources(recipe, folder)}
        replay = recipe.replay and self_replay(
            engine, recipe.replay, format=base.format, folder=folder, seed=seed, exclude=(), cache=cache_folder()
        )
        before = scores(engine, folder, items)
        after: dict[str, float] = {}

        def on_evaluate(model: Any, step: int, tokens: int) -> None:
            tuned = TransformersEngine(model, base.format, model_hash=f"step-{step}", batch_tokens=16384)
            after.update(scores(tuned, folder, items))

        fit(
            base,
            blend(rows, replay.rows if replay else (), base.format, recipe=recipe),
            settings=recipe.training,
            output=folder / "checkpoints",
            every_steps=100_000,
            on_evaluate=on_evaluate,
            seed=seed,
        )
    changes = [after[name] - before[name] for name in nano.ABILITIES]
    return {"domain": after["domain"], "mean_change": statistics.mean(changes), "worst_change": min(changes)}


def write_recipe(folder: Path, kinds: tuple[str, ...], seed: int) -> Recipe:
    """Data and recipe of one run, in a folder; the domain rows are the same for every mixture."""
    written = {
        "domain": nano.domain_rows(n=1200, seed=seed),
        "general": nano.dialogues(nano.OTHER_KINDS, n=1500, seed=seed),
        "text": nano.texts(n=1500, seed=seed),
    }
    for kind, rows in written.items():
        lines = (
            {"text": r.text} if r.text else {"messages": [{"role": m.role, "content": m.content} for m in r.messages]}
            for r in rows
        )
        atomic_write(folder / f"{kind}.jsonl", "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    held = "replay" in kinds
    shares = {kind: DEFAULT_SHARES[kind] for kind in kinds}
    sources = {
        kind: {"kind": kind, "files": [f"{kind}.jsonl"], "share": shares.get(kind, 1 - sum(shares.values()))}
        for kind in ("domain", *kinds)
        if kind != "replay"
    }
    return parse_recipe(
        {
            "name": "mixture",
            "seed": seed,
            "model": {"path": str(nano.MODEL_PATH), "dtype": "float32", "device": "cpu"},
            "sources": sources,
            **({"replay": {"share": shares["replay"], "rows": 1500, "max_new_tokens": 40, "max_prompt_tokens": 56}}
               if held else {}),
            "training": {
                "learning_rate": 1.5e-3,
                "epochs": 4,
                "batch_rows": 8,
                "max_length_tokens": 96,
                "kl_weight": 8.0 if held else 0.0,
                "kl_tokens": "all",
            },
        }
    )  # fmt: skip


def scores(engine: Engine, folder: Path, items: int) -> dict[str, float]:
    """The share of right answers to the same fresh items of every ability, and of the domain."""
    found = {}
    for name in (*nano.ABILITIES, "domain"):
        settings = ProceduralTask(type="procedural", generator=f"nano/{name}", items=items, max_new_tokens=24)
        task = build_task(name, settings, folder=folder, seed=0)
        results = task.score(engine, task.items("test", limit=items, seed=54_321))
        found[name] = statistics.mean(r.score or 0.0 for r in results)
    return found


if __name__ == "__main__":
    main()
