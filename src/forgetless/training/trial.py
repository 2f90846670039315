"""A few real steps, timed and then thrown away.

In: the base model, what to train on, and how. Out: seconds of a step and the memory that it takes. The steps are those
of the run itself, its first batches in its own trainer, on a model of their own that is dropped afterwards; nothing is
saved and the mixture stream of the run is not moved.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import itertools
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast_object_list
from transformers import TrainerControl, TrainerState, TrainingArguments

from forgetless.errors import ResourceError
from forgetless.mixture import MixtureStream
from forgetless.models import LoadedModel, PeakMemory, held_bytes
from forgetless.recipe import TrainingSettings
from forgetless.training.blend import Blend
from forgetless.training.fit import beside, make_trainer, out_of_the_way
from forgetless.training.prepare import prepare
from forgetless.training.savepoint import Savepoint
from forgetless.training.watch import Watch

_WARM_UP_STEPS = 2
_FEWEST_STEPS, _MOST_STEPS = 3, 12
_ENOUGH_SECONDS = 3.0
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


@dataclass(frozen=True, slots=True)
class Trial:
    """What a few steps took.

    Attributes:
        step_seconds: Seconds of one optimiser step, the mean of `steps` steps after the first ones.
        steps: How many were timed.
        peak_bytes: The most memory that the process held (on a GPU: on the device).
        resident_bytes: What it held between two steps: weights and the optimiser's state, no activations.
        reading_seconds: What the base takes, before the first step, to read the rows that it is asked about once.
        starting_seconds: What making the student takes, with the search for a null space where it starts in one.
    """

    step_seconds: float
    steps: int
    peak_bytes: int
    resident_bytes: int
    reading_seconds: float = 0.0
    starting_seconds: float = 0.0


def fresh_stream(stream: MixtureStream) -> MixtureStream:
    """The same stream from its beginning."""
    return MixtureStream(
        stream.specs, seed=stream.seed, bin_tokens=stream.bin_tokens, bins_per_batch=stream.bins_per_batch
    )


def try_steps(base: LoadedModel, blended: Blend, *, settings: TrainingSettings, seed: int) -> Trial:
    """Train a few steps on the run's first batches.

    Args:
        base: Where the run starts; it is not changed.
        blended: What the run trains on; its stream is left where it stands.
        settings: How the weights move.
        seed: Seeds adapter and dropout.

    Raises:
        ResourceError: A step does not fit into memory.
        NonFiniteLossError, ModelError, RecipeError: As `fit`.
    """
    steps = _WARM_UP_STEPS + _MOST_STEPS
    stream, plan = fresh_stream(blended.stream), dataclasses.replace(blended.plan, steps=steps)
    short = dataclasses.replace(blended, plan=plan, stream=stream)
    peak = PeakMemory(base.model.device)
    try:
        with tempfile.TemporaryDirectory() as folder, beside(base):
            savepoint = Savepoint(Path(folder), stream, dict)
            clock = _Clock(savepoint, base.model.device)
            started = time.perf_counter()
            drawn = _drawn(blended.stream, steps * settings.accumulate_batches)
            collate = prepare(base, short, settings, cache=Path(folder) / "reference", only=drawn)
            reading = time.perf_counter() - started
            started = time.perf_counter()
            trainer = make_trainer(base, short, settings, collate, savepoint, clock, every_steps=steps, seed=seed)
            starting = time.perf_counter() - started
            with out_of_the_way(base, settings, Path(folder)) or contextlib.nullcontext():
                trainer.train()
            del trainer
    except RuntimeError as error:
        if not any(sign in str(error) for sign in _OUT_OF_MEMORY):
            raise
        raise _does_not_fit(base, settings) from error
    finally:
        gc.collect()
        if base.model.device.type == "cuda":
            torch.cuda.empty_cache()
    asked = ["replay"] * (collate.top_k is not None) + ["domain"] * bool(collate.weights)
    whole = reading * _more_to_read(blended, drawn, asked) if asked else 0.0
    return Trial(clock.step_seconds, len(clock.timed), peak.bytes, clock.resident_bytes, whole, starting)


def _drawn(stream: MixtureStream, batches: int) -> set[tuple[int, int]]:
    """The documents of the first batches, as (stream, document)."""
    fresh = fresh_stream(stream)
    return {document for _ in range(batches) for packed in fresh.next_batch() for document in packed}


def _more_to_read(blended: Blend, drawn: set[tuple[int, int]], kinds: Sequence[str]) -> float:
    """All tokens of streams of these kinds over those of the documents that were drawn."""
    few = sum(len(blended.documents[s][n].input_ids) for s, n in drawn if blended.kinds[s] in kinds)
    return sum(spec.tokens for spec in blended.stream.specs if spec.kind in kinds) / max(few, 1)


class _Clock(Watch):
    """Times steps in the place of watching them, and ends the training when it has seen enough."""

    def __init__(self, savepoint: Savepoint, device: torch.device) -> None:
        super().__init__(savepoint, every_steps=sys.maxsize, on_evaluate=lambda model, step, tokens: None)
        self._device = device
        self._ends: list[float] = []
        self.resident_bytes = 0

    @property
    def timed(self) -> list[float]:
        """Seconds of every step after the first ones."""
        after = self._ends[_WARM_UP_STEPS - 1 :]
        return [end - start for start, end in itertools.pairwise(after)]

    @property
    def step_seconds(self) -> float:
        """Their mean."""
        return sum(self.timed) / len(self.timed)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Note the time; nothing is evaluated or saved."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        self._ends.append(time.perf_counter())
        self.resident_bytes = held_bytes(self._device)
        enough = [len(self.timed) >= _FEWEST_STEPS and sum(self.timed) >= _ENOUGH_SECONDS]
        if args.world_size > 1:
            broadcast_object_list(enough)
        control.should_training_stop = control.should_training_stop or enough[0]
        return control


def _does_not_fit(base: LoadedModel, settings: TrainingSettings) -> ResourceError:
    return ResourceError(
        field="training.batch_rows",
        value=f"{settings.batch_rows} rows of {settings.max_length_tokens} tokens",
        rule=f"a training step does not fit into the memory of `{base.model.device}`",
        way_out="lower `batch_rows` (and raise `accumulate_batches` by as much), set `gradient_checkpointing: true`, "
        "or train with `method: lora`",
    )
