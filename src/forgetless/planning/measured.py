"""What is measured on the real model before a plan can be made, and where it is kept.

The recipe and what a run stands on go in; out come seconds, lengths and bytes of a few real steps and a few real
answers. Figures are kept in the cache folder under a hash of everything that they depend on, the machine included: a
run that follows a plan measures nothing again and comes to the same plan.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from forgetless.engines.batches import LOGITS_PER_BATCH
from forgetless.models import PeakMemory, held_bytes, weights_hash
from forgetless.planning.answering import AnsweringLaw, BatchShape, fit_law
from forgetless.planning.asking import ListeningEngine, TaskSample, probe, sample_task
from forgetless.planning.replay import ReplaySample, sample_replay
from forgetless.progress import Progresses
from forgetless.ranks import crew
from forgetless.recipe import Recipe
from forgetless.records import Row, from_json, to_json
from forgetless.replaying import replay_parts, without_quotes
from forgetless.rundir import atomic_write, cache_folder, content_hash
from forgetless.stages import Ground
from forgetless.synthesis import ReplayState
from forgetless.training import Blend, Trial, blend, checkpoint_bytes, try_steps_in_ranks

_REVISION = 2
"""Raised whenever other things are measured, or in another way."""

_ASKING_SECONDS = 4.0
"""About what asking the tasks may take together, beside a few items of each."""

_MOST_WRITTEN_BYTES = 1 << 26
_SAMPLE_SEED = 0x5EED
"""Draws fresh items for samples; no look of a run draws from it."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Figures of the real model on this machine.

    Attributes:
        trial: A few optimiser steps.
        law: How long generated answers take.
        tasks: What an item of each task costs, the domain's as `domain`.
        replay: A sample of replay, where rows have yet to be written.
        hash_seconds: Seconds of hashing the weights, as every look does.
        disk_bytes_per_second: How fast the run's disk takes files; `None` where it took none.
        base_bytes: Memory held with nothing but the base loaded.
        asking_bytes: Memory that asking took beside it.
        device: Where the model is.
    """

    trial: Trial
    law: AnsweringLaw
    tasks: dict[str, TaskSample]
    replay: ReplaySample | None
    hash_seconds: float
    disk_bytes_per_second: float | None
    base_bytes: int
    asking_bytes: int
    device: str


def batch_shape(recipe: Recipe, ground: Ground) -> BatchShape:
    """How the engine cuts batches."""
    vocabulary = ground.base.model.config.get_text_config().vocab_size
    return BatchShape(recipe.evaluation.batch_tokens, max(1, LOGITS_PER_BATCH // vocabulary))


def measure(
    recipe: Recipe, ground: Ground, replay: ReplayState | None, *, output: Path, anew: bool, progress: Progresses
) -> tuple[Measured, Blend]:
    """Measure, or take what was measured before.

    Args:
        recipe: What will be run.
        ground: What it stands on.
        replay: What there is of its replay rows.
        output: A folder on the disk that the run will write to.
        anew: Measure even where figures are kept.
        progress: Gives a callback for the work.

    Returns:
        The figures, and the blend that they speak of: replay rows that have yet to be written have stand-ins in it.

    Raises:
        ResourceError: A training step does not fit into memory.
        UserError: The data or the model cannot be used as the recipe wants.
    """
    path = cache_folder() / "speed" / f"{speed_key(recipe, ground)}.json"
    kept = None if anew else _read(path)
    if kept is not None and _tells_enough(kept.replay, replay):
        return kept, _blend(recipe, ground, replay, kept.replay)
    measured, blended = _measure(recipe, ground, replay, output, progress)
    atomic_write(path, json.dumps(to_json(measured)))
    return measured, blended


def _measure(
    recipe: Recipe, ground: Ground, replay: ReplayState | None, output: Path, progress: Progresses
) -> tuple[Measured, Blend]:
    base, tasks, shape = ground.base, ground.exam.tasks, batch_shape(recipe, ground)
    tell = progress("measuring")
    engine = ListeningEngine(ground.engine, base.format)
    base_bytes, peak = held_bytes(base.model.device), PeakMemory(base.model.device)
    # The first call of all pays for what later ones find ready.
    ground.engine.generate([tasks["domain"].items("dev", limit=1)[0].messages], max_new_tokens=2)
    samples = {}
    for done, (name, task) in enumerate(tasks.items()):
        samples[name] = sample_task(task, engine, seed=_SAMPLE_SEED, shape=shape, seconds=_ASKING_SECONDS / len(tasks))
        if tell is not None:
            tell(done + 1, len(tasks) + 1)
    written = None
    if recipe.replay is not None and replay is not None and not replay.complete:
        written = sample_replay(recipe.replay, replay, engine, base.format)
    probe(engine, shape=shape)
    law = fit_law([(engine.work(call, shape), call.seconds) for call in engine.calls])
    asking_bytes = max(0, peak.bytes - base_bytes)
    started = time.perf_counter()
    weights_hash(base.model)
    hash_seconds = time.perf_counter() - started
    disk = _disk_speed(output, checkpoint_bytes(base.model, recipe.training))
    blended = _blend(recipe, ground, replay, written)
    trial = try_steps_in_ranks(base, blended, settings=recipe.training, seed=recipe.seed)
    if tell is not None:
        tell(len(tasks) + 1, len(tasks) + 1)
    measured = Measured(
        trial=trial,
        law=law,
        tasks=samples,
        replay=written,
        hash_seconds=hash_seconds,
        disk_bytes_per_second=disk,
        base_bytes=base_bytes,
        asking_bytes=asking_bytes,
        device=_device_name(base.model.device),
    )
    return measured, blended


def _blend(recipe: Recipe, ground: Ground, replay: ReplayState | None, sample: ReplaySample | None) -> Blend:
    rows: Sequence[Row] = ()
    if recipe.replay is not None and replay is not None:
        format = ground.base.format
        prompts, answers = (sample.as_prompts(format), sample.answers) if sample else ([], ())
        rows = replay.stand_ins(prompts, answers, rows=recipe.replay.rows, format=format)
        rows, _ = without_quotes(rows, ground.exam, recipe.seed)
    parts = replay_parts(recipe, ground.exam, rows)
    return blend(
        ground.rows,
        rows,
        ground.base.format,
        recipe=recipe,
        parts=parts,
        stand_ins=replay is not None and not replay.complete,
    )


def _tells_enough(sample: ReplaySample | None, replay: ReplayState | None) -> bool:
    """Whether a sample has what stands in for replay rows that are not kept (any more)."""
    if replay is None or replay.complete:
        return True
    return sample is not None and (replay.whole or bool(sample.prompts))


def _disk_speed(folder: Path, size: int) -> float | None:
    """Bytes per second of a file as large as a checkpoint, flushed; up to a limit beyond which it is no other."""
    payload = os.urandom(max(1, min(size, _MOST_WRITTEN_BYTES)))
    # A disk that takes no file at all says so when the first one is written for good.
    with contextlib.suppress(OSError), tempfile.TemporaryFile(dir=folder) as file:
        started = time.perf_counter()
        file.write(payload)
        file.flush()
        os.fsync(file.fileno())
        return len(payload) / (time.perf_counter() - started)
    return None


def speed_key(recipe: Recipe, ground: Ground) -> str:
    """A hash of everything that the figures depend on, and of nothing that a plan chooses."""
    asked: dict[str, Any] = recipe.model_dump(mode="json")
    for name in ("name", "output", "ship", "endpoints", "evaluation"):
        del asked[name]
    for capability in asked["keep"].values():
        del capability["margin_points"]
    for name in ("learning_rate", "warmup_steps", "schedule", "steps", "epochs"):
        del asked["training"][name]
    for name in ("kl_weight", "domain_kl_weight"):
        asked["training"][name] = asked["training"][name] > 0.0
    rows = {name: rows.fingerprint for name, rows in ground.rows.items()}
    machine = (platform.node(), platform.processor(), os.cpu_count(), torch.get_num_threads(), crew().size)
    device = _device_name(ground.base.model.device)
    return content_hash("speed", _REVISION, ground.base.hash, ground.engine.settings_hash, asked, rows, machine, device)


def _read(path: Path) -> Measured | None:
    try:
        return from_json(Measured, json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
