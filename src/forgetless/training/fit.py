"""Training, from the first step or from where a killed run stood.

In: the base model, what to train on, and how. Out: the run's checkpoints, one at every evaluation, and an account of
what was done. The base model is left as it was: another model is trained beside it. Where no step asks the base, full
fine-tuning sets its weights aside.
"""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peft import PeftModel
from transformers import PreTrainedModel, TrainerCallback

from forgetless.models import Aside, LoadedModel, libraries_silenced
from forgetless.progress import Progresses, unwatched
from forgetless.recipe import TrainingSettings
from forgetless.rundir import cache_folder
from forgetless.training.arguments import sft_config
from forgetless.training.blend import Blend
from forgetless.training.checkpoints import Checkpoint, refuse_leftovers
from forgetless.training.collate import Collator
from forgetless.training.directions import KeptDirections
from forgetless.training.disk import sets_base_aside
from forgetless.training.loader import Loader
from forgetless.training.loss import RetentionLoss, needs_live_base, replaces_stock_loss
from forgetless.training.null_space import start_in_null_space
from forgetless.training.prepare import prepare
from forgetless.training.reference import CachedReference, LiveReference, Reference
from forgetless.training.savepoint import Savepoint
from forgetless.training.student import make_student
from forgetless.training.trainer import RetentionTrainer
from forgetless.training.watch import OnCheck, OnEvaluate, OnLog, OnStep, Watch


@dataclass(frozen=True, slots=True)
class FitResult:
    """What was done: steps and tokens of the whole run, why it stopped early if it did, and seconds of this call."""

    steps: int
    tokens: int
    stopped: str | None
    seconds: float


def fit(
    base: LoadedModel,
    blended: Blend,
    *,
    settings: TrainingSettings,
    output: Path,
    every_steps: int,
    on_evaluate: OnEvaluate,
    seed: int,
    extra_state: Callable[[], dict[str, Any]] = dict,
    check_steps: int | None = None,
    on_check: OnCheck | None = None,
    on_log: OnLog | None = None,
    on_step: OnStep | None = None,
    resume: Checkpoint | None = None,
    until: int | None = None,
    progress: Progresses = unwatched,
) -> FitResult:
    """Train a model that starts at `base`, and leave checkpoints.

    Args:
        base: Where to start, and the reference of the KL term; it is not changed.
        blended: What to train on and for how long.
        settings: How the weights move.
        output: The run's folder of checkpoints.
        every_steps: Steps between two evaluations.
        on_evaluate: Called with the live model, the step and the tokens so far at every evaluation and at the last
            step, before the checkpoint is saved. A returned reason ends the run after that checkpoint.
        seed: Seeds adapter and dropout.
        extra_state: Gives JSON data to be saved in every checkpoint, and found again in `Checkpoint.extra`.
        check_steps: Steps between two checks; none for no checks.
        on_check: Called with the live model and the step at every check that is no evaluation; the base may be aside.
        on_log: Called with every line of the log: means since the line before it of `loss`, `ce`, `kl`, `domain_kl`
            and `entropy` (nats per token; also `kl_STREAM` where replay has several streams), `learning_rate`,
            `grad_norm`, and the tokens of every stream so far.
        on_step: Called after every step with the steps done and the steps of the whole run.
        resume: Go on from there (see `latest_resumable`); the result is that of a run that was never interrupted.
        until: Pause after this step, with an evaluation and a checkpoint; the schedule stays that of the whole run.
        progress: Gives a callback for what the base reads before the first step.

    Raises:
        NonFiniteLossError: A loss or a gradient is not a number.
        RunFolderError: A new run would mix with an earlier run's checkpoints, or a resumed one has other data.
        ModelError: The model's logits cannot be held to the base by the KL term, or its flash attention lets packed
            documents see each other.
        RecipeError: The modules to adapt, to train whole or to freeze do not fit the model.
        ResourceError: The disk has no room for what the base says of the rows.
    """
    started = time.monotonic()
    savepoint = Savepoint(output, blended.stream, extra_state)
    if resume is None:
        refuse_leftovers(output)
    else:
        savepoint.restore(resume)
        if resume.stopped is not None or resume.step >= min(until or blended.plan.steps, blended.plan.steps):
            return _result(resume.step, savepoint, started)
    aside = out_of_the_way(base, settings, output)

    def look(model: PreTrainedModel, step: int, tokens: int) -> str | None:
        with aside.back() if aside else contextlib.nullcontext():
            return on_evaluate(model, step, tokens)

    watch = Watch(savepoint, every_steps=every_steps, on_evaluate=look, check_steps=check_steps, on_check=on_check,
                  on_log=on_log, on_step=on_step, until=until)  # fmt: skip
    with beside(base):
        collate = prepare(base, blended, settings, cache=cache_folder() / "reference", progress=progress)
        trainer = make_trainer(base, blended, settings, collate, savepoint, watch, every_steps=every_steps, seed=seed)
        with aside or contextlib.nullcontext():
            trainer.train(resume_from_checkpoint=str(resume.folder) if resume else None)
        steps = trainer.state.global_step
    # The trainer holds itself; what it holds besides is as large as all that comes after it.
    del trainer
    gc.collect()
    return _result(steps, savepoint, started)


def make_trainer(
    base: LoadedModel,
    blended: Blend,
    settings: TrainingSettings,
    collate: Collator,
    savepoint: Savepoint,
    watch: Watch,
    *,
    every_steps: int,
    seed: int,
) -> RetentionTrainer:
    """A trainer of a model that starts at `base`, ready for its first step; `collate` is what `prepare` gives.

    Raises:
        RecipeError: As `fit`.
    """
    config = sft_config(
        settings,
        steps=blended.plan.steps,
        every_steps=every_steps,
        folder=savepoint.folder,
        seed=seed,
        device=base.model.device.type,
    )

    def make_loss(trainer: RetentionTrainer) -> RetentionLoss:
        reference: Reference = CachedReference()
        if needs_live_base(settings):
            reference = LiveReference(
                base.model,
                direction=settings.kl_direction,
                layout=collate.layout,
                autocast=trainer.accelerator.autocast,
            )
        return RetentionLoss(settings, stream=blended.stream, reference=reference, tally=trainer.tally)

    student = make_student(base.model, settings, seed=seed)
    return RetentionTrainer(
        student,
        config=config,
        loader=Loader(blended.stream, collate, config.process_index, config.world_size),
        tokenizer=base.format.tokenizer,
        make_loss=make_loss if replaces_stock_loss(settings, blended.kinds) else None,
        savepoint=savepoint,
        callbacks=[watch, *_confine(student, base.model, blended, settings, seed=seed)],
    )


def _confine(
    student: PreTrainedModel | PeftModel,
    base: PreTrainedModel,
    blended: Blend,
    settings: TrainingSettings,
    *,
    seed: int,
) -> list[TrainerCallback]:
    """Put a new adapter where the recipe wants the update, and give what keeps it there."""
    lora = settings.lora
    if lora is not None and lora.init == "null_space":
        start_in_null_space(student, base, blended, seed=seed)
    if lora is None or lora.keep_directions is None:
        return []
    return [KeptDirections(student, lora.keep_directions, seed=seed)]


def out_of_the_way(base: LoadedModel, settings: TrainingSettings, folder: Path) -> Aside | None:
    """A context for steps in which the base takes no memory; none where the steps need it.

    An adapter is trained over the very weights of the base.
    """
    return Aside(base.model, folder) if sets_base_aside(settings) else None


def _result(steps: int, savepoint: Savepoint, started: float) -> FitResult:
    return FitResult(steps, savepoint.tokens, savepoint.stopped, time.monotonic() - started)


@contextlib.contextmanager
def beside(base: LoadedModel) -> Iterator[None]:
    """While another model is trained beside it, the base is in evaluation mode and the libraries are quiet."""
    model: PreTrainedModel = base.model
    was_training = model.training
    model.eval()
    try:
        with libraries_silenced():
            yield
    finally:
        model.train(was_training)
