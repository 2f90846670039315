"""Without a KL term, training is TRL's own, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import IterableDataset
from trl import SFTTrainer

from forgetless.recipe import TrainingSettings
from forgetless.records import StreamKind
from forgetless.training import fit
from forgetless.training.arguments import sft_config
from forgetless.training.student import make_student
from training_kit import SETTINGS, blended, fit_arguments, loaded, tiny_model, tiny_tokenizer, weights, with_lora

STEPS = 12


def stock_weights(settings: TrainingSettings, kinds: tuple[StreamKind, ...], folder: Path) -> dict[str, torch.Tensor]:
    """The weights that an `SFTTrainer` as it is reaches on the same packed rows, through its own collator."""
    mixed = blended(kinds, settings=settings)

    def rows() -> Any:
        for _ in range(STEPS * settings.accumulate_batches):
            for packed in mixed.stream.next_batch():
                held = [mixed.documents[stream][index] for stream, index in packed]
                silent = [mixed.kinds[stream] == "replay" for stream, _ in packed]
                yield {
                    "input_ids": [i for d in held for i in d.input_ids],
                    "labels": [-100 if s else i for d, s in zip(held, silent, strict=True) for i in d.labels],
                    "seq_lengths": [len(d.input_ids) for d in held],
                }

    config = sft_config(settings, steps=STEPS, every_steps=4, folder=folder, seed=5, device="cpu")
    config.padding_free = True
    model = make_student(tiny_model(), settings, seed=5)
    data = IterableDataset.from_generator(rows)
    # The trainer looks at the first row when it is built; the generator starts anew for the loop, the stream must too.
    trainer = SFTTrainer(model=model, args=config, processing_class=tiny_tokenizer(), train_dataset=data)
    mixed.stream.load_state_dict(blended(kinds, settings=settings).stream.state_dict())
    trainer.train()
    trainer.save_model(str(folder / "stock"))
    return weights(folder / "stock")


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("kinds", [("domain", "general"), ("domain", "replay")])
def test_weights_are_those_of_the_stock_trainer(
    accumulate: int, method: str, kinds: tuple[StreamKind, ...], tmp_path: Path
) -> None:
    # One packed row a batch: there TRL's collator and the one under test both have no padding.
    settings = SETTINGS.model_copy(update={"batch_rows": 1, "accumulate_batches": accumulate, "kl_weight": 0.0})
    if method == "lora":
        settings = with_lora(settings, dropout=0.0)  # dropout draws from the same numbers as the stock data loader
    fit(loaded(), blended(kinds, settings=settings), **fit_arguments(settings, tmp_path / "own"))
    own = weights(tmp_path / "own" / f"step-{STEPS}")
    stock = stock_weights(settings, kinds, tmp_path)
    assert own.keys() == stock.keys()
    assert all(torch.equal(own[name], stock[name]) for name in stock)


def test_a_kl_weight_without_replay_changes_nothing(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"kl_weight": 3.0})
    plain = SETTINGS.model_copy(update={"kl_weight": 0.0})
    for name, chosen in (("held", settings), ("plain", plain)):
        fit(loaded(), blended(("domain",), settings=chosen), **fit_arguments(chosen, tmp_path / name))
    held, stock = (weights(tmp_path / name / f"step-{STEPS}") for name in ("held", "plain"))
    assert all(torch.equal(held[name], stock[name]) for name in stock)


def test_the_comparison_can_fail(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"batch_rows": 1, "kl_weight": 0.7})
    fit(loaded(), blended(settings=settings), **fit_arguments(settings, tmp_path / "own"))
    own = weights(tmp_path / "own" / f"step-{STEPS}")
    stock = stock_weights(settings, ("domain", "replay"), tmp_path)
    assert not all(torch.equal(own[name], stock[name]) for name in stock)
