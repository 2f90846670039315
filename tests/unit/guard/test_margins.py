"""The margin of a capability whose recipe names none: the smallest that its items can certify."""

from __future__ import annotations

import pytest
from scripted_models import ListTask

from forgetless.errors import TaskError
from forgetless.guard.margins import JudgedPart, default_margin_points, judged_part
from forgetless.verdicts import (
    ASSUMED_DISCORDANCE,
    ASSUMED_SPREAD,
    certifiable_margin,
    detectable_drop,
    floor_items,
)


def margin(units: int, *, capabilities: int = 1, exact: bool = True, alpha: float = 0.05) -> float:
    part = JudgedPart(units, units, exact, ASSUMED_DISCORDANCE if exact else ASSUMED_SPREAD)
    return default_margin_points("maths", part, alpha=alpha, capabilities=capabilities)


@pytest.mark.parametrize("units", [50, 400])
@pytest.mark.parametrize("capabilities", [1, 10])
@pytest.mark.parametrize("exact", [True, False])
def test_a_margin_is_certified_and_found_and_hardly_wider_than_that(units: int, capabilities: int, exact: bool) -> None:
    pi = ASSUMED_DISCORDANCE if exact else ASSUMED_SPREAD
    points = margin(units, capabilities=capabilities, exact=exact)
    kept = certifiable_margin(units, pi, 0.05, jointly=capabilities, exact=exact)
    found = detectable_drop(units, pi, 0.05 / capabilities, exact=exact) or 1.0
    assert 0 <= points - 100 * max(kept, found) < 0.1 + 1e-6
    assert units >= floor_items(points / 100, 0.05)


def test_margins_are_tenths_of_a_point() -> None:
    for units in (50, 400):
        assert margin(units) * 10 == pytest.approx(round(margin(units) * 10))


def test_more_items_allow_a_smaller_margin_and_more_capabilities_a_wider_one() -> None:
    assert margin(400) < margin(50)
    assert margin(400) < margin(400, capabilities=10)


def test_too_few_items_allow_none() -> None:
    with pytest.raises(TaskError, match="4 test items") as caught:
        margin(4, capabilities=10)
    assert caught.value.field == "keep.maths.margin_points"


def test_the_test_part_is_counted_as_a_verdict_counts_it() -> None:
    plain = judged_part(ListTask("maths"), limit=None)
    assert (plain.items, plain.units, plain.exact, plain.discordance) == (160, 160, True, ASSUMED_DISCORDANCE)
    assert judged_part(ListTask("maths"), limit=90).units == 90
    grouped = judged_part(ListTask("maths", group="passage"), limit=None)
    assert (grouped.items, grouped.units, grouped.exact) == (160, 1, False)
    assert (plain.bets, grouped.bets) == (160, 1)
    graded = judged_part(ListTask("maths", binary=False), limit=None)
    assert (graded.exact, graded.discordance) == (False, ASSUMED_SPREAD)


def test_fresh_items_are_counted_without_drawing_the_test_part() -> None:
    class Asked(ListTask):
        def items(self, part, *, limit=None, seed=0):  # type: ignore[no-untyped-def]
            assert part == "dev"
            return ListTask.items(self, part, limit=limit, seed=seed)

    assert judged_part(Asked("sorting", fresh=True), limit=None).units == 160
