"""Arms on nano: what the model that a recipe trains answers, and what several seeds come to.

A recipe and the folder of its data go in; out come the answers to fresh items of the ten abilities and of the demo's
domain, with what training took. All models are asked the same.
"""

from __future__ import annotations

import json
import math
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from forgetless import nano
from forgetless.engines import Engine, TransformersEngine
from forgetless.guard import Guard
from forgetless.models import LoadedModel, load_model
from forgetless.progress import unwatched
from forgetless.recipe import ModelSettings, ProceduralTask, Recipe, dump_recipe
from forgetless.records import ItemResult, Row, to_json
from forgetless.replaying import replay_parts, replay_rows
from forgetless.rundir import RunFolder, atomic_write, cache_folder, content_hash, open_run
from forgetless.stages import (
    Ground,
    lay_ground,
    load_sources,
    multipliers_of,
    shared_scores,
    train_under_guard,
)
from forgetless.synthesis import self_replay
from forgetless.tasks import build_task
from forgetless.training import blend, checkpoint_model, fit
from forgetless.training.checkpoints import complete_checkpoints

Answers = dict[str, list[ItemResult]]
"""To the items of the domain and of every ability."""

MODEL = {"path": str(nano.MODEL_PATH), "dtype": "float32", "device": "cpu"}
TASKS = (*nano.ABILITIES, "domain")
BATCH_TOKENS = 16384


class Trained(NamedTuple):
    """A model's answers after its last step, and what came before: seconds are those of training, looks included."""

    answers: Answers
    steps: int
    tokens: int
    seconds: float
    moves: int = 0


def run(recipe: Recipe, folder: Path, *, items: int, looks: int = 6) -> Trained:
    """Train as a recipe says, in the folder of its data, and ask `items` questions of each kind.

    With `constraints` the guard looks `looks` times and moves what holds; nothing else needs a look before the end.
    """
    return _with_looks(recipe, folder, items, looks) if recipe.constraints else _without_looks(recipe, folder, items)


def _without_looks(recipe: Recipe, folder: Path, items: int) -> Trained:
    base = load_model(recipe.model, folder=folder)
    rows = {source.name: source.rows for source in load_sources(recipe, folder)}
    after: Answers = {}
    asking = 0.0

    def on_evaluate(model: Any, step: int, tokens: int) -> None:
        nonlocal asking
        started = time.monotonic()
        after.update(answers(engine_over(model, base, f"step-{step}"), items))
        asking += time.monotonic() - started

    result = fit(
        base,
        blend(rows, answered_by_base(recipe, base, folder), base.format, recipe=recipe),
        settings=recipe.training,
        output=folder / "checkpoints",
        every_steps=100_000,
        on_evaluate=on_evaluate,
        seed=recipe.seed,
    )
    return Trained(after, result.steps, result.tokens, round(result.seconds - asking, 1))


def _with_looks(recipe: Recipe, folder: Path, items: int, looks: int) -> Trained:
    with open_run(folder / "run") as run_folder:
        ground = lay_ground(recipe, folder)
        replay = replay_rows(recipe, ground, run_folder, unwatched)
        started = time.monotonic()
        steps = train_under_looks(recipe, ground, run_folder, replay, looks)
        seconds = time.monotonic() - started
        checkpoints = run_folder.path / "checkpoints"
        tuned = checkpoint_model(ground.base, checkpoints, steps, recipe.training)
        found = answers(engine_over(tuned, ground.base, "tuned"), items)
        tokens = complete_checkpoints(checkpoints)[-1].tokens
        return Trained(found, steps, tokens, round(seconds, 1), moves_in(run_folder))


def train_under_looks(recipe: Recipe, ground: Ground, run: RunFolder, replay: Sequence[Row], looks: int) -> int:
    """Train as `forgetless train` does; the steps done. Only constraints need looks on the way."""
    parts = replay_parts(recipe, ground.exam, replay)
    blended = blend(ground.rows, replay, ground.base.format, recipe=recipe, parts=parts)
    every = math.ceil(blended.plan.steps / looks) if recipe.constraints else blended.plan.steps
    evaluation = recipe.evaluation.model_copy(update={"every_steps": every})
    recipe = recipe.model_copy(update={"evaluation": evaluation})
    guard = Guard(ground.exam, base=ground.engine, settings=evaluation, run=run, base_scores=shared_scores(),
                  planned_evaluations=looks, seed=recipe.seed,
                  multipliers=multipliers_of(recipe, ground, blended, run, unwatched))  # fmt: skip
    train_under_guard(recipe, ground.base, blended, guard, run, False, unwatched)
    return blended.plan.steps


def moves_in(run: RunFolder) -> int:
    """How often constraints have moved something."""
    return sum(event["event"] == "adjustment" for event in run.events())


def answered_by_base(recipe: Recipe, base: LoadedModel, folder: Path) -> Sequence[Row]:
    """The rows that a recipe's `replay:` asks of the base; none without it."""
    if recipe.replay is None:
        return ()
    engine = engine_over(base.model, base, base.hash)
    return self_replay(
        engine, recipe.replay, format=base.format, folder=folder, seed=recipe.seed, exclude=(), cache=cache_folder()
    ).rows


def answers_of_base(items: int) -> Answers:
    """What nano answers before any training."""
    base = load_model(ModelSettings.model_validate(MODEL), folder=Path())
    return answers(engine_over(base.model, base, base.hash), items)


def answers(engine: Engine, items: int) -> Answers:
    """Answers to the same fresh items of every ability, and of the domain."""
    found = {}
    for name in TASKS:
        settings = ProceduralTask(type="procedural", generator=f"nano/{name}", items=items, max_new_tokens=24)
        task = build_task(name, settings, folder=Path(), seed=0)
        found[name] = task.score(engine, task.items("test", limit=items, seed=54_321))
    return found


def engine_over(model: Any, base: LoadedModel, hash: str) -> TransformersEngine:
    """Asks a model that writes conversations as the base does."""
    return TransformersEngine(model, base.format, model_hash=hash, batch_tokens=BATCH_TOKENS)


def kept(folder: Path, name: str, recipe: Recipe, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What an arm has found by the same recipe before; else it is run, and told, and kept in the folder."""
    told = dump_recipe(recipe).replace(str(nano.MODEL_PATH), "nano")  # in whatever checkout
    path = folder / f"{name}-{content_hash(told)[:12]}.json"
    if not path.exists():
        started = time.monotonic()
        atomic_write(path, json.dumps(to_json(make())))
        print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def write_records(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """A JSONL file."""
    atomic_write(path, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))


def as_records(rows: Iterable[Row]) -> Iterable[dict[str, Any]]:
    """Conversations as a user's file has them."""
    return ({"messages": [{"role": m.role, "content": m.content} for m in row.messages]} for row in rows)


# Several seeds


def changed(runs: Sequence[Answers], before: Answers) -> dict[str, Any]:
    """By seed: the domain score, and what became of the ten abilities against the base."""
    changes = [{ability: mean(run[ability]) - mean(before[ability]) for ability in nano.ABILITIES} for run in runs]
    return {
        "domain": [mean(run["domain"]) for run in runs],
        "mean_change": [statistics.mean(change.values()) for change in changes],
        "worst_change": [min(change.values()) for change in changes],
        "changes": changes,
    }


def mean(results: Sequence[ItemResult]) -> float:
    """The share of right answers."""
    return statistics.mean(result.score or 0.0 for result in results)


def means(figures: dict[str, Any]) -> list[float]:
    """Over the seeds: the domain score, the mean change of the abilities, and that of the worst."""
    return [statistics.mean(figures[key]) for key in ("domain", "mean_change", "worst_change")]


def line(name: str, figures: dict[str, Any], seconds: float) -> str:
    """What is printed of an arm when it is done."""
    domain, change, worst = means(figures)
    return f"{name}: domain {domain:.1%}, abilities {change:+.1%} in the mean, {worst:+.1%} the worst ({seconds:.0f} s)"
