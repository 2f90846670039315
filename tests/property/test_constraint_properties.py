"""What holds for any multiplier and any shares: bounds, order, the way back, the sum."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forgetless.constraints import LEAST, MOST, MOST_BRAKE, SHARE_FLOOR, Slack, braked, moved, shares_of

multipliers = st.floats(LEAST, MOST)
pressures = st.floats(-1.0, 1.0)
points = st.floats(0.001, 0.5)


@st.composite
def slacks(draw: st.DrawFn) -> Slack:
    margin = draw(points)
    return Slack(draw(st.floats(-1.0, 1.0)), draw(points), margin, draw(st.floats(0.0, 1.0)) * margin)


@st.composite
def divisions(draw: st.DrawFn) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    weights = draw(st.lists(st.integers(1, 1000), min_size=1, max_size=6))
    parts = {f"s{i}": weight / sum(weights) for i, weight in enumerate(weights)}
    held = {name: draw(multipliers) for name in parts}
    # A plan is accepted only where the shares it asks for stay within the repetition cap.
    ceilings = {name: part * draw(st.floats(1.0, 8.0)) for name, part in parts.items()}
    return parts, held, ceilings


@given(before=multipliers, pressure=pressures)
def test_multipliers_stay_within_their_bounds(before: float, pressure: float) -> None:
    assert LEAST <= moved(before, pressure) <= MOST


@given(before=st.floats(1.0, MOST_BRAKE), first=pressures, second=pressures)
def test_a_brake_is_bounded_and_never_falls_as_pressure_rises(before: float, first: float, second: float) -> None:
    less, more = sorted((first, second))
    assert 1.0 <= braked(before, less) <= braked(before, more) <= MOST_BRAKE
    assert braked(1.0, min(0.0, less)) == 1.0


@given(before=multipliers, first=pressures, second=pressures)
def test_more_pressure_never_holds_less(before: float, first: float, second: float) -> None:
    less, more = sorted((first, second))
    assert moved(before, less) <= moved(before, more)


@given(before=multipliers)
def test_without_pressure_a_multiplier_goes_home_and_stays_there(before: float) -> None:
    seen = [before]
    for _ in range(40):
        seen.append(moved(seen[-1], 0.0))
    distances = [abs(math.log(multiplier)) for multiplier in seen]
    assert distances == sorted(distances, reverse=True)
    assert seen[-1] == 1.0


@given(before=multipliers, pressure=st.floats(0.01, 1.0))
def test_pressure_adds_and_keeps_what_it_has_added(before: float, pressure: float) -> None:
    assert moved(before, pressure) > before or before == MOST


@given(slack=slacks())
def test_pressure_is_bounded_and_of_the_sign_of_the_excess(slack: Slack) -> None:
    assert -1.0 <= slack.pressure <= 1.0
    if abs(slack.drop - slack.budget) <= slack.error:
        assert slack.pressure == 0.0
    elif slack.pressure:
        assert (slack.pressure > 0.0) == (slack.drop > slack.budget)


@given(slack=slacks(), more=st.floats(0.0, 1.0))
def test_a_larger_drop_presses_no_less(slack: Slack, more: float) -> None:
    further = Slack(slack.drop + more, slack.error, slack.margin, slack.budget)
    assert further.pressure >= slack.pressure


@given(division=divisions(), total=st.floats(0.01, 0.99))
def test_shares_add_up_and_stay_between_floor_and_ceiling(
    division: tuple[dict[str, float], dict[str, float], dict[str, float]], total: float
) -> None:
    parts, held, parts_most = division
    ceilings = {name: total * most for name, most in parts_most.items()}
    shares = shares_of(total, parts=parts, multipliers=held, ceilings=ceilings)
    assert math.fsum(shares.values()) == pytest.approx(total, rel=1e-9)
    for name, share in shares.items():
        assert share <= ceilings[name] * (1 + 1e-9)
        assert share >= SHARE_FLOOR * total * parts[name] * (1 - 1e-9)


@given(division=divisions(), chosen=st.integers(0, 5), more=st.floats(1.0, 16.0))
def test_a_stream_that_is_held_harder_never_gives_less(
    division: tuple[dict[str, float], dict[str, float], dict[str, float]], chosen: int, more: float
) -> None:
    parts, held, ceilings = division
    name = list(parts)[chosen % len(parts)]
    before = shares_of(1.0, parts=parts, multipliers=held, ceilings=ceilings)
    after = shares_of(1.0, parts=parts, multipliers=held | {name: held[name] * more}, ceilings=ceilings)
    assert after[name] >= before[name] * (1 - 1e-9)


@given(division=divisions())
def test_the_order_of_streams_is_of_no_account(
    division: tuple[dict[str, float], dict[str, float], dict[str, float]],
) -> None:
    parts, held, ceilings = division
    backwards = dict(reversed(parts.items()))
    there = shares_of(0.4, parts=parts, multipliers=held, ceilings=ceilings)
    assert there == shares_of(0.4, parts=backwards, multipliers=held, ceilings=ceilings)


@given(division=divisions(), held=multipliers)
def test_equal_multipliers_leave_every_part_as_it_was(
    division: tuple[dict[str, float], dict[str, float], dict[str, float]], held: float
) -> None:
    parts, _, ceilings = division
    shares = shares_of(0.3, parts=parts, multipliers=dict.fromkeys(parts, held), ceilings=ceilings)
    assert shares == pytest.approx({name: 0.3 * part for name, part in parts.items()}, rel=1e-9)
