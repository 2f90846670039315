"""TRL's configuration, made in one place.

In: the recipe's training settings and the plan. Out: an `SFTConfig`. Whatever TRL would do on its own is either
switched off here (reporting, telemetry, data preparation, saving) or set from the recipe.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from trl import SFTConfig

from forgetless.recipe import TrainingSettings

LOG_EVERY_STEPS = 10

_CHECKPOINTING = next(  # the newer name, where this version of transformers knows it
    name
    for name in ("activation_checkpointing", "gradient_checkpointing")
    if name in {field.name for field in fields(SFTConfig)}
)


def sft_config(
    settings: TrainingSettings,
    *,
    steps: int,
    every_steps: int,
    folder: Path,
    seed: int,
    device: str,
) -> SFTConfig:
    """The configuration of one run.

    Args:
        settings: How the weights move.
        steps: Optimiser steps of the whole run.
        every_steps: Steps between two evaluations; losses are logged at least that often.
        folder: Where the trainer keeps its checkpoints.
        seed: Seeds adapter and dropout.
        device: `cpu`, `cuda`, ...
    """
    bfloat16 = settings.precision == "bfloat16"
    config = SFTConfig(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=settings.batch_rows,
        gradient_accumulation_steps=settings.accumulate_batches,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.schedule if settings.schedule != "constant" else "constant_with_warmup",
        warmup_steps=settings.warmup_steps,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_gradient_norm,
        bf16=bfloat16,
        fp16=False,
        seed=seed,
        data_seed=seed,
        use_cpu=device == "cpu",
        logging_strategy="steps",
        logging_steps=min(LOG_EVERY_STEPS, every_steps),
        logging_nan_inf_filter=False,
        eval_strategy="no",
        save_strategy="no",
        report_to="none",
        push_to_hub=False,
        disable_tqdm=True,
        remove_unused_columns=False,
        ignore_data_skip=True,
        dataset_kwargs={"skip_prepare_dataset": True},
        packing=False,
        padding_free=False,
        max_length=None,
        dataloader_num_workers=0,
        **{_CHECKPOINTING: settings.gradient_checkpointing},
    )
    # With more than one GPU in sight the trainer would wrap the model for all of them, and the reference sits on one.
    config._n_gpu = min(config.n_gpu, 1)
    return config
