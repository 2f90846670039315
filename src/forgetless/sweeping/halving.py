"""Successive halving (arXiv 1502.07943): how many trials run how far. Pure arithmetic."""

from __future__ import annotations

from forgetless.errors import RecipeError


def field_sizes(trials: int, *, halving: int, rungs: int) -> tuple[int, ...]:
    """How many trials run up to each rung: all of them, then of those before one in `halving`, and at least one."""
    sizes = [trials]
    while len(sizes) < rungs:
        sizes.append(-(-sizes[-1] // halving))
    return tuple(sizes)


def first_rung(steps: int, *, halving: int, rungs: int) -> int:
    """The step at which the first of `rungs` rungs ends, where no look has to be met."""
    return -(-steps // halving ** (rungs - 1))


def rung_ends(steps: int, *, every_steps: int, halving: int, rungs: int) -> tuple[int, ...]:
    """The steps at which the rungs of a run end: each `halving` times as far as the one before, the last at its end.

    A rung ends at a look, so each is rounded up to one.

    Raises:
        RecipeError: Two rungs would end at the same look.
    """
    shares = (first_rung(steps, halving=halving, rungs=rungs - rung) for rung in range(rungs))
    ends = tuple(min(steps, -(-share // every_steps) * every_steps) for share in shares)
    if len(set(ends)) < rungs:
        raise RecipeError(
            field="sweep.rungs",
            value=rungs,
            rule=f"a run of {steps:,} steps with a look every {every_steps:,} cannot be cut into so many rungs: they "
            f"would end at the steps {', '.join(f'{end:,}' for end in ends)}",
            way_out="lower `sweep.rungs`, `sweep.halving` or `evaluation.every_steps`, or train for more steps",
        )
    return ends
