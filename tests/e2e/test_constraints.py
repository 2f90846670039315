"""A run whose looks move what holds its abilities: what it tells, and that a kill among the moves changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from nano_world import KilledError, World, assert_the_same, at_event, build_pressed_world, fall, run_world

from forgetless.records import Adjustment, from_json
from forgetless.rundir import read_events

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=[None, 16], ids=["live", "cached"])
def top_k(request: pytest.FixtureRequest) -> int | None:
    """What the KL is measured against: the base as it is, or its likeliest tokens as they were written down."""
    return request.param


@pytest.fixture(scope="module")
def whole(top_k: int | None, tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("whole")
    build_pressed_world(folder, method="full", top_k=top_k)
    return World(folder, run_world(folder))


def test_looks_move_what_holds_an_ability_and_tell_why(whole: World) -> None:
    moves = [event for event in whole.story if event["event"] == "adjustment"]
    assert {move["step"] for move in moves} == {4, 8}  # after the last look there is nothing to hold any more
    adjustments = [from_json(Adjustment, move) for move in moves]
    assert all(a.pressure > 0.0 and a.weight > a.weight_before for a in adjustments)
    assert {a.capability for a in adjustments if a.own} == {"sorting", "facts"}
    planned, realised = (event["shares"] for event in whole.story if event["event"] == "mixture")
    assert [share["source"] for share in planned] == ["messages", "replay", "replay/sorting", "replay/facts"]
    assert sum(share["asked"] for share in planned if share["kind"] == "replay") == pytest.approx(0.5)
    assert sum(share["realised"] for share in realised if share["kind"] == "replay") == pytest.approx(0.5, abs=0.05)
    logged = [event for event in whole.story if event["event"] == "log"]
    assert all({"kl", "kl_replay", "kl_replay/sorting", "kl_replay/facts"} <= line.keys() for line in logged)


def test_checks_between_the_looks_put_a_brake_on_what_slips(whole: World) -> None:
    brakes = [event for event in whole.story if event["event"] == "brake"]
    assert brakes
    assert {event["step"] % 4 for event in brakes} <= {1, 2, 3}  # a look does more than a check
    assert all(1.0 <= event["weight"] / event["weight_before"] <= 2.0 for event in brakes if event["drop"] > 0.2)


def test_a_kill_among_the_moves_changes_nothing(whole: World, top_k: int | None, tmp_path: Path) -> None:
    moves = sum(event["event"] == "adjustment" for event in whole.story)
    build_pressed_world(tmp_path, method="full", top_k=top_k)
    with pytest.raises(KilledError):
        run_world(tmp_path, on_event=at_event("adjustment", moves, fall))
    assert [e["step"] for e in read_events(tmp_path / "runs" / "small") if e["event"] == "adjustment"][-1] == 8
    assert_the_same(World(tmp_path, run_world(tmp_path, resume=True)), whole)
