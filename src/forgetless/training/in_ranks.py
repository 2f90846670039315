"""Training in every process of a run: the same steps, each on its own bins of every batch.

In: what `fit` and `try_steps` take. Out: what they give. The first process looks, saves and logs; at its looks the
others take their part of the questions, each with the very weights that it trains.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from forgetless.engines import key_of
from forgetless.errors import RecipeError
from forgetless.models import LoadedModel, weights_hash
from forgetless.ranks import Part, crew
from forgetless.recipe import TrainingSettings
from forgetless.rundir import cache_folder
from forgetless.training.blend import Blend
from forgetless.training.checkpoints import Checkpoint
from forgetless.training.fit import FitResult, beside, fit
from forgetless.training.prepare import prepare
from forgetless.training.trial import Trial, try_steps
from forgetless.training.watch import OnCheck, OnEvaluate


def fit_in_ranks(
    base: LoadedModel,
    blended: Blend,
    *,
    settings: TrainingSettings,
    output: Path,
    every_steps: int,
    on_evaluate: OnEvaluate,
    seed: int,
    check_steps: int | None = None,
    on_check: OnCheck | None = None,
    resume: Checkpoint | None = None,
    until: int | None = None,
    **told: Any,
) -> FitResult:
    """`fit`, in all processes at once.

    Args:
        base, blended, settings, output, every_steps, on_evaluate, seed, check_steps, on_check, resume, until: As for
            `fit`. The folder is seen by all processes.
        told: The rest of what `fit` takes; only the first process tells anything.

    Raises:
        RecipeError: There are fewer rows in a batch than processes, or as `fit`.
        Others: As `fit`.
    """
    of_all = crew()
    same: dict[str, Any] = {"settings": settings, "output": output, "every_steps": every_steps, "seed": seed,
                            "check_steps": check_steps, "resume": resume, "until": until}  # fmt: skip

    def look(model: PreTrainedModel, step: int, tokens: int) -> str | None:
        with of_all.attended():
            return on_evaluate(model, step, tokens)

    def check(model: PreTrainedModel, step: int) -> None:
        assert on_check is not None
        with of_all.attended():
            on_check(model, step)

    def own() -> FitResult:
        return fit(base, blended, on_evaluate=look, on_check=check, **same, **told)

    if of_all.size > 1:
        _check_rows(settings)
        with beside(base):  # what the base says of the rows is written once, and read by all
            prepare(base, blended, settings, cache=cache_folder() / "reference", progress=told["progress"])
    return of_all.order(key_of(base), base, _fit_too, blended, same, own=own, in_step=True)[0]


def try_steps_in_ranks(base: LoadedModel, blended: Blend, *, settings: TrainingSettings, seed: int) -> Trial:
    """`try_steps`, in all processes at once.

    Raises:
        RecipeError: There are fewer rows in a batch than processes.
        Others: As `try_steps`.
    """

    def own() -> Trial:
        return try_steps(base, blended, settings=settings, seed=seed)

    _check_rows(settings)
    return crew().order(key_of(base), base, _try_too, blended, settings, seed, own=own, in_step=True)[0]


def _fit_too(base: LoadedModel, part: Part, blended: Blend, same: dict[str, Any]) -> None:
    def attend(model: PreTrainedModel, step: int, tokens: int = 0) -> None:
        live = LoadedModel(model, base.format, weights_hash(model), name="")
        with crew().offering(key_of(live), live):
            crew().attend()

    fit(base, blended, on_evaluate=attend, on_check=attend, **same)


def _try_too(base: LoadedModel, part: Part, blended: Blend, settings: TrainingSettings, seed: int) -> None:
    try_steps(base, blended, settings=settings, seed=seed)


def _check_rows(settings: TrainingSettings) -> None:
    if settings.batch_rows < crew().size:
        raise RecipeError(
            field="training.batch_rows",
            value=settings.batch_rows,
            rule=f"the rows of a batch are shared out among {crew().size} processes, and some would have none",
            way_out=f"set it to a multiple of {crew().size}; it counts the rows of all processes together",
        )
