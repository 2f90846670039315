"""A recipe with nothing left open.

A recipe may leave margins, the cadence of the looks and the number of steps to the plan. What the plan chose goes in;
out comes the same recipe with the gaps filled. What the user wrote is never changed.
"""

from __future__ import annotations

from collections.abc import Mapping

from forgetless.recipe.schema import Recipe


def settled(
    recipe: Recipe,
    *,
    steps: int | None,
    every_steps: int | None,
    dev_items: int | None,
    margin_points: Mapping[str, float | None],
) -> Recipe:
    """The recipe with its gaps filled; a gap for which `None` is given stays open.

    Args:
        recipe: As the user wrote it.
        steps: Optimiser steps of the run, which take the place of `epochs`.
        every_steps: Optimiser steps between two looks.
        dev_items: The most dev items of each task at a look.
        margin_points: The margin of each capability.
    """
    training, evaluation = recipe.training, recipe.evaluation
    length = {"steps": steps, "epochs": None} if training.steps is None and steps is not None else {}
    return recipe.model_copy(
        update={
            "training": training.model_copy(update=length),
            "evaluation": evaluation.model_copy(
                update={
                    "every_steps": _first(evaluation.every_steps, every_steps),
                    "dev_items": _first(evaluation.dev_items, dev_items),
                }
            ),
            "keep": {
                name: c.model_copy(update={"margin_points": _first(c.margin_points, margin_points.get(name))})
                for name, c in recipe.keep.items()
            },
        }
    )


def settled_like(recipe: Recipe, other: Recipe) -> Recipe:
    """The recipe with its gaps filled by what another one says there."""
    return settled(
        recipe,
        steps=other.training.steps,
        every_steps=other.evaluation.every_steps,
        dev_items=other.evaluation.dev_items,
        margin_points={name: c.margin_points for name, c in other.keep.items()},
    )


def _first(own: float | None, given: float | None) -> float | None:
    return given if own is None else own
