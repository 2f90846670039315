"""What TRL is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from trl import SFTConfig

from forgetless.training.arguments import sft_config
from training_kit import SETTINGS


def config(**changes: object) -> SFTConfig:
    settings = SETTINGS.model_copy(update=changes)
    return sft_config(settings, steps=40, every_steps=7, folder=Path("run"), seed=3, device="cpu")


def test_nothing_happens_that_the_recipe_did_not_ask_for() -> None:
    made = config()
    assert made.report_to == []
    assert not made.push_to_hub
    assert not made.bf16
    assert not made.gradient_checkpointing
    assert made.disable_tqdm
    assert made.save_strategy == "no"
    assert made.dataset_kwargs == {"skip_prepare_dataset": True}
    assert made.ignore_data_skip
    assert not made.remove_unused_columns


def test_the_recipe_arrives() -> None:
    made = config(learning_rate=1e-4, accumulate_batches=3, max_gradient_norm=0.5, gradient_checkpointing=True)
    assert made.max_steps == 40
    assert made.learning_rate == 1e-4
    assert made.gradient_accumulation_steps == 3
    assert made.max_grad_norm == 0.5
    assert made.gradient_checkpointing
    assert made.seed == 3
    assert made.logging_steps == 7


@pytest.mark.parametrize(
    ("schedule", "name"), [("cosine", "cosine"), ("linear", "linear"), ("constant", "constant_with_warmup")]
)
def test_every_schedule_warms_up(schedule: str, name: str) -> None:
    made = config(schedule=schedule)
    assert made.lr_scheduler_type == name
    assert made.warmup_steps == 2


def test_bfloat16_is_autocast() -> None:
    assert config(precision="bfloat16").bf16
