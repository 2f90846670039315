"""What holds of every sweep: the grid is whole, the field shrinks, rungs rise to the end, no step is paid twice."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forgetless.errors import RecipeError
from forgetless.recipe.sweep import combination
from forgetless.sweeping.halving import field_sizes, first_rung, rung_ends
from forgetless.sweeping.standing import Standing, ranked

HALVING = st.integers(2, 5)
RUNGS = st.integers(1, 5)


@given(st.dictionaries(st.text(min_size=1), st.lists(st.integers(), min_size=1, max_size=4, unique=True), max_size=4))
def test_every_combination_has_one_number(axes: dict[str, list[int]]) -> None:
    size = math.prod(len(values) for values in axes.values())
    found = [tuple(combination(number, axes).values()) for number in range(size)]
    assert found == list(itertools.product(*axes.values()))


@given(st.integers(1, 500), HALVING, RUNGS)
def test_the_field_shrinks_by_at_most_the_halving_and_never_to_nothing(trials: int, halving: int, rungs: int) -> None:
    field = field_sizes(trials, halving=halving, rungs=rungs)
    assert field[0] == trials
    assert len(field) == rungs
    for before, after in itertools.pairwise(field):
        assert before <= halving * after < before + halving
        assert after >= 1


@given(st.integers(1, 5000), st.integers(1, 600), HALVING, RUNGS)
def test_rungs_rise_to_the_end_and_end_at_looks(steps: int, every: int, halving: int, rungs: int) -> None:
    try:
        ends = rung_ends(steps, every_steps=every, halving=halving, rungs=rungs)
    except RecipeError:
        looks = math.ceil(steps / every)
        assert looks < halving ** (rungs - 1) + rungs, "refused although there are looks enough"
        return
    assert ends[-1] == steps
    assert all(before < after for before, after in itertools.pairwise(ends))
    for rung, end in enumerate(ends[:-1]):
        assert end % every == 0
        share = steps / halving ** (rungs - 1 - rung)
        assert share <= end < share + every + 1


@given(st.integers(1, 5000), HALVING, st.integers(2, 4))
def test_looks_as_far_apart_as_the_first_rung_meet_every_rung(steps: int, halving: int, rungs: int) -> None:
    first = first_rung(steps, halving=halving, rungs=rungs)
    if steps < 3 * halving**rungs:
        return
    ends = rung_ends(steps, every_steps=first, halving=halving, rungs=rungs)
    assert ends[0] == first
    assert math.ceil(steps / first) <= halving ** (rungs - 1)


def test_a_run_too_short_for_its_rungs_is_refused_with_the_steps_where_they_would_end() -> None:
    with pytest.raises(RecipeError, match=r"they would end at the steps 50, 50, 100"):
        rung_ends(100, every_steps=50, halving=3, rungs=3)


STANDINGS = st.builds(
    Standing,
    step=st.just(1),
    domain=st.none() | st.floats(0, 1),
    worst=st.none(),
    change=st.none(),
    lost=st.just(()),
    excess=st.just(0.0) | st.floats(0.001, 10),
)


@given(st.dictionaries(st.text(), STANDINGS))
def test_nothing_that_lost_stands_before_anything_that_holds(standings: dict[str, Standing]) -> None:
    order = ranked(standings)
    assert sorted(order) == sorted(standings)
    for before, after in itertools.pairwise(standings[name] for name in order):
        assert before.excess <= after.excess
        if before.excess == after.excess:
            assert (before.domain if before.domain is not None else -1) >= (
                after.domain if after.domain is not None else -1
            )
