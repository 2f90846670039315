"""An adapter that leaves the strongest directions of the base alone.

In: a new adapter over a base, and a number k. Out: the same adapter, held so through every step that the change of a
weight W neither reads along its first k right singular vectors V nor writes along its first k left ones U:

    ΔW = P_L ΔW P_R,  P_L = I − U Uᵀ,  P_R = I − V Vᵀ    (OPLoRA, arXiv 2510.13003)

so (W + ΔW) V = W V and Uᵀ (W + ΔW) = Uᵀ W. The two factors themselves are projected, B ← P_L B and A ← A P_R, rather
than the product in every forward pass: what is trained, saved, scaled and merged is a plain LoRA adapter.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from forgetless.errors import RecipeError
from forgetless.training.adapter import AdaptedWeight, adapted_weights

_OVERSAMPLED = 16
_ITERATIONS = 4


class KeptDirections(TrainerCallback):
    """Projects a new adapter at once, gradients as they come, and what was trained of it after every step.

    Projected gradients are those of A and B in P_L B A P_R, so clipping and the optimiser's moments count only what can
    move. AdamW divides weight by weight, which leads out of any subspace that is not made of whole coordinates:
    therefore the factors are projected again after its step.

    Args:
        student: An adapter that has not been trained, on linear layers only. A resumed one is loaded afterwards, and
            is within its directions already.
        count: k.
        seed: Of the search for singular vectors; they are found again, bit for bit, by a run that is resumed.

    Raises:
        RecipeError: A weight has no more than k directions, or an adapter lies on another kind of layer.
    """

    def __init__(self, student: PeftModel, count: int, *, seed: int) -> None:
        adapted = adapted_weights(student, field="keep_directions", value=count)
        _check_room(adapted, count)
        self._complements = [_Complement.of(weight, count, seed) for weight in adapted]
        for complement in self._complements:
            complement.project_a()
            complement.project_gradients()

    def on_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Take out of the factors what the step has put into the kept directions."""
        for complement in self._complements:
            complement.project()


class _Complement(NamedTuple):
    """What an adapter on one weight may use: for a all but `right`, `[in, k]`; for b all but `left`, `[out, k]`."""

    a: nn.Parameter
    b: nn.Parameter
    left: Tensor
    right: Tensor

    @classmethod
    def of(cls, adapted: AdaptedWeight, count: int, seed: int) -> _Complement:
        left, right = top_singular_vectors(adapted.of_base(), count, seed=seed)
        return cls(adapted.a, adapted.b, left, right)

    @torch.no_grad()
    def project_a(self) -> None:
        self.a.copy_(_without_rows(self.a, self.right))

    @torch.no_grad()
    def project(self) -> None:
        if self.a.requires_grad:
            self.project_a()
        self.b.copy_(_without_columns(self.b, self.left))

    def project_gradients(self) -> None:
        left, right = self.left, self.right
        if self.a.requires_grad:
            self.a.register_hook(lambda gradient: _without_rows(gradient, right))
        self.b.register_hook(lambda gradient: _without_columns(gradient, left))


def top_singular_vectors(weight: Tensor, count: int, *, seed: int) -> tuple[Tensor, Tensor]:
    """The first `count` left and right singular vectors, `[out, count]` and `[in, count]`.

    By randomized subspace iteration (Halko et al., arXiv 0909.4061) with 2 · count + 16 vectors, which is exact where
    the weight has no more directions than that.

    Args:
        weight: `[out, in]`, in float32.
        count: At most its smaller side.
        seed: Of the first guess; the generator of the process is left as it was.
    """
    with torch.random.fork_rng([weight.device] if weight.device.type == "cuda" else []):
        torch.manual_seed(seed)
        wide = min(2 * count + _OVERSAMPLED, *weight.shape)
        left, _, right = torch.svd_lowrank(weight, q=wide, niter=_ITERATIONS)
    return left[:, :count].contiguous(), right[:, :count].contiguous()


def _without_rows(matrix: Tensor, right: Tensor) -> Tensor:
    return matrix - (matrix @ right) @ right.T


def _without_columns(matrix: Tensor, left: Tensor) -> Tensor:
    return matrix - left @ (left.T @ matrix)


def _check_room(adapted: list[AdaptedWeight], count: int) -> None:
    for weight in adapted:
        outputs, inputs = weight.b.shape[0], weight.a.shape[1]
        if count >= min(outputs, inputs):
            raise RecipeError(
                field="training.lora.keep_directions",
                value=count,
                rule=f"`{weight.name}` has {outputs} × {inputs} weights, and nothing but these directions to learn in",
                way_out=f"keep fewer than {min(outputs, inputs)}, or leave this layer out of `target_modules`",
            )
