"""What happens around an optimiser step.

In: the training loop's calls. Out: gradients that are refused when they are not numbers, an evaluation and a
checkpoint every so many steps, and every line of the log handed on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from accelerate.utils import broadcast_object_list
from transformers import PreTrainedModel, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from forgetless.errors import NonFiniteLossError
from forgetless.training.savepoint import Savepoint

OnEvaluate = Callable[[PreTrainedModel, int, int], str | None]
OnCheck = Callable[[PreTrainedModel, int], None]
OnLog = Callable[[dict[str, Any]], None]
OnStep = Callable[[int, int], None]


class Watch(TrainerCallback):
    """Evaluates, saves and logs.

    Args:
        savepoint: Knows the tokens drawn so far, and is told when a run stops early.
        every_steps: Steps between two evaluations; the last step is always one.
        on_evaluate: Called with the live model, the step and the tokens; a reason that it returns in the first process
            ends the run.
        check_steps: Steps between two checks, which are made where no evaluation is; none for no checks.
        on_check: Called with the live model and the step at every check.
        on_log: Called with every line of the log.
        on_step: Called after every step with the steps done and the steps of the whole run.
        until: Evaluate at this step and pause there; the saved state is that of a run that goes on.
    """

    def __init__(
        self,
        savepoint: Savepoint,
        *,
        every_steps: int,
        on_evaluate: OnEvaluate,
        check_steps: int | None = None,
        on_check: OnCheck | None = None,
        on_log: OnLog | None = None,
        on_step: OnStep | None = None,
        until: int | None = None,
    ) -> None:
        self._savepoint = savepoint
        self._every_steps = every_steps
        self._on_evaluate = on_evaluate
        self._check_steps = check_steps
        self._on_check = on_check
        self._on_log = on_log
        self._on_step = on_step
        self._until = until

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Refuse gradients that are not numbers while the weights are still untouched.

        A loss can be finite where its gradient is not; clipping then spreads one infinity over all weights.
        """
        gradients = [p.grad for p in kwargs["model"].parameters() if p.grad is not None]
        if not torch.isfinite(torch.nn.utils.get_total_norm(gradients)):
            raise NonFiniteLossError(
                f"the gradient of step {state.global_step + 1} is not a number; the weights are those of step "
                f"{state.global_step}. Lower `training.learning_rate`, or look at the data of this step."
            )

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Evaluate where one is due, and have the state saved after it."""
        if self._on_step is not None and state.is_world_process_zero:
            self._on_step(state.global_step, state.max_steps)
        pause = state.global_step == self._until
        if state.global_step % self._every_steps and state.global_step != state.max_steps and not pause:
            self._check_if_due(kwargs["model"], state, args)
            return control
        self._savepoint.stopped = self._evaluate(kwargs["model"], state, args)
        control.should_log = True
        control.should_save = True
        ends = pause or self._savepoint.stopped is not None
        control.should_training_stop = control.should_training_stop or ends
        return control

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Hand a line about training on; the trainer's epoch means nothing here, for the stream has none."""
        if self._on_log is not None and state.is_world_process_zero and logs and "loss" in logs:
            self._on_log({"step": state.global_step, **{k: v for k, v in logs.items() if k != "epoch"}})

    def _evaluate(self, model: PreTrainedModel, state: TrainerState, args: TrainingArguments) -> str | None:
        reason = self._on_evaluate(model, state.global_step, self._savepoint.tokens)
        return self._heard(reason, args)

    def _check_if_due(self, model: PreTrainedModel, state: TrainerState, args: TrainingArguments) -> None:
        if self._on_check is not None and self._check_steps and state.global_step % self._check_steps == 0:
            self._on_check(model, state.global_step)
            self._heard(None, args)

    def _heard(self, reason: str | None, args: TrainingArguments) -> str | None:
        """Whether to stop, and what the mixture has become, as the first process says."""
        told: list[Any] = [reason, self._savepoint.stream.state_dict()]
        if args.world_size > 1:
            broadcast_object_list(told)
            self._savepoint.stream.load_state_dict(told[1])
        return told[0]
