"""TRL's trainer, held to the base model.

In: the student, its loss, and batches from the mixture stream. Out: the student, trained. Without a KL term there is
nothing to add to TRL, and its own loss is used as it stands, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import PeftModel
from torch import Tensor
from transformers import PreTrainedModel, PrinterCallback, TrainerCallback
from trl import SFTConfig, SFTTrainer

from forgetless.errors import NonFiniteLossError
from forgetless.models import write_adapter, writing_weights
from forgetless.tokens.encoded import IGNORED
from forgetless.training.checkpoints import staging_folder
from forgetless.training.heads import OutputHead, caught_hidden_states
from forgetless.training.isolation import boundaries
from forgetless.training.loader import Loader
from forgetless.training.loss import RetentionLoss
from forgetless.training.savepoint import Savepoint
from forgetless.training.tally import Tally

MakeLoss = Callable[["RetentionTrainer"], RetentionLoss]

_OWN_COLUMNS = (
    *("stream_ids", "weights", "kl_mask", "reference_input_ids", "reference_position_ids", "reference_mask"),
    *("reference_ids", "reference_log_probabilities", "reference_tail"),
)


class RetentionTrainer(SFTTrainer):
    """An `SFTTrainer` that draws from a mixture stream, holds the student to the base, and saves what resuming needs.

    Args:
        student: The model to train.
        config: TRL's configuration.
        loader: Where batches come from.
        tokenizer: Saved beside the weights.
        make_loss: Makes the loss that takes the place of TRL's; none leaves TRL's own.
        savepoint: What to save beside the weights, and where.
        callbacks: Called by the training loop.
    """

    def __init__(
        self,
        student: PreTrainedModel,
        *,
        config: SFTConfig,
        loader: Loader,
        tokenizer: Any,
        make_loss: MakeLoss | None,
        savepoint: Savepoint,
        callbacks: list[TrainerCallback],
    ) -> None:
        trained = {weight: weight.data for weight in student.parameters() if weight.requires_grad}
        super().__init__(
            model=student,
            args=config,
            processing_class=tokenizer,
            data_collator=loader.collate,
            train_dataset=Dataset.from_list([{"input_ids": [0], "labels": [0]}]),
            callbacks=callbacks,
        )
        self.remove_callback(PrinterCallback)
        for weight, data in trained.items():
            if weight.dtype != data.dtype:
                # TRL rounds adapters over a quantised base to bfloat16; steps are smaller than that can add.
                weight.data = data
        self.loader = loader
        self.savepoint = savepoint
        self.tally = Tally()
        self.held_in_batch: Tensor | None = None
        self.own_loss = make_loss(self) if make_loss else None
        if self.own_loss is not None:
            # The loss below is normalised over the whole accumulated batch; this is how the training loop is told.
            self.model_accepts_loss_kwargs = True

    @property
    def student(self) -> PreTrainedModel:
        """The trained model without wrappers: the base model of an adapter, the module of a distributed one."""
        model = self.accelerator.unwrap_model(self.model)
        return model.get_base_model() if hasattr(model, "peft_config") else model

    def get_train_dataloader(self) -> Loader:
        """The mixture stream itself: not shuffled, not sharded, not drawn ahead."""
        return self.loader

    def get_batch_samples(
        self, epoch_iterator: Iterator[dict[str, Tensor]], num_batches: int, device: torch.device
    ) -> tuple[list[dict[str, Tensor]], Tensor | int | None]:
        """All micro-batches of one optimiser step, with the counts that normalise every term."""
        batches, items = super().get_batch_samples(epoch_iterator, num_batches, device)
        if self.own_loss is not None:
            held = torch.stack([self.own_loss.held_tokens(batch) for batch in batches]).sum(dim=0)
            self.held_in_batch = self._add_up(held.to(device)) if held.numel() else held
        return batches, items

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """The loss of one micro-batch, as its share of the whole batch's.

        Raises:
            NonFiniteLossError: It is not a number; no weight has changed since the last step.
        """
        columns = {name: inputs.pop(name) for name in _OWN_COLUMNS if name in inputs}
        inputs |= self._boundaries(inputs["position_ids"])
        if self.own_loss is not None:
            loss = self._held_loss(model, inputs, columns, num_items_in_batch)
        else:
            loss = super().compute_loss(model, inputs, num_items_in_batch=num_items_in_batch)
            self._count_stock_loss(loss, inputs["labels"], num_items_in_batch)
        if not torch.isfinite(loss):
            raise NonFiniteLossError(
                f"the loss of step {self.state.global_step + 1} is {float(loss.detach())}; the weights are those of "
                f"step {self.state.global_step}. Lower `training.learning_rate`, or look at the data of this step."
            )
        return loss

    def _held_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Tensor],
        columns: dict[str, Tensor],
        num_items_in_batch: Tensor | int | None,
    ) -> Tensor:
        with caught_hidden_states(self.student) as caught:
            outputs = model(
                **{name: value for name, value in inputs.items() if name != "labels"},
                use_cache=False,
                logits_to_keep=1,
                **({"output_router_logits": True} if self.aux_loss_enabled else {}),
            )
        dtype = torch.bfloat16 if self.args.bf16 else OutputHead.of(self.student).weight.dtype
        head = OutputHead.of(self.student).to(dtype)
        assert self.own_loss is not None
        assert self.held_in_batch is not None
        loss = self.own_loss(
            head,
            head.states(caught[0])[:, :-1].to(dtype),
            inputs | columns,
            items=torch.as_tensor(num_items_in_batch),
            held=self.held_in_batch,
        )
        if self.args.average_tokens_across_devices:
            loss = loss * self.accelerator.num_processes  # gradients are averaged over processes, counts are added up
        if self.aux_loss_enabled:
            loss = loss + self.router_aux_loss_coef * outputs.aux_loss / self.current_gradient_accumulation_steps
        return loss

    def _boundaries(self, position_ids: Tensor) -> dict[str, Any]:
        return boundaries(position_ids) if self.loader.collate.layout == "flat" else {}

    def _count_stock_loss(self, loss: Tensor, labels: Tensor, items: Tensor | int | None) -> None:
        own = (labels[:, 1:] != IGNORED).sum()
        total = own if items is None else torch.as_tensor(items) / self.accelerator.num_processes
        self.tally.add("ce", loss * total, own)

    def _add_up(self, tensor: Tensor) -> Tensor:
        return tensor if self.args.world_size == 1 else self.accelerator.reduce(tensor, reduction="sum")

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the means of the window and the tokens of every stream to a line about training."""
        if "loss" in logs:
            logs.update(self.tally.drain(self._add_up))
            counts = self.loader.stream.tokens()
            logs["tokens"] = sum(counts.values())
            logs.update({f"tokens_{name}": count for name, count in counts.items()})
        super().log(logs, start_time)

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Not counted: it would walk over all parameters at every step."""
        return 0

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Not written: a checkpoint is not a model to publish."""

    def _issue_warnings_after_load(self, load_result: Any) -> None:
        """Of what is missing, tied weights came under their other name: nothing to warn of."""
        tied = self.student.all_tied_weights_keys
        missing = [key for key in load_result.missing_keys if key not in tied]
        super()._issue_warnings_after_load(load_result._replace(missing_keys=missing))

    def _send_telemetry(self) -> None:
        """Nothing is sent anywhere."""

    def _get_output_dir(self, trial: Any) -> str:
        return str(staging_folder(self.savepoint.folder))

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Tensor] | None = None) -> None:
        """Weights and tokenizer. The trainer's own way lets PEFT ask the hub what the base of an adapter is like."""
        if not isinstance(self.model, PeftModel):
            super()._save(output_dir, state_dict)
        elif self.args.should_save:
            folder = Path(output_dir or self.args.output_dir)
            write_adapter(self.model, folder)
            self.processing_class.save_pretrained(folder)

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        with writing_weights(self.savepoint.folder):
            super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            step = self.state.global_step
            self.savepoint.complete(Path(self._get_output_dir(trial)) / f"checkpoint-{step}", step)
        self.accelerator.wait_for_everyone()
