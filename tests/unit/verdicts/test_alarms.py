"""Alarms along a run: level, power, and resuming."""

from __future__ import annotations

import json

import numpy as np
import pytest

from forgetless.verdicts import FixedListAlarm, FreshItemsAlarm

NAMES = dict.fromkeys(("a", "b", "c", "d", "e"), 0.02)


def binary(rng, n, losses, gains):
    return rng.choice([-1.0, 0.0, 1.0], p=[losses, 1 - losses - gains, gains], size=n)


def unchanged(rng, n=200):
    return {name: binary(rng, n, 0.05, 0.05) for name in NAMES}


@pytest.mark.parametrize("kind", [FixedListAlarm, FreshItemsAlarm])
def test_chance_of_any_false_alarm_in_a_run_is_at_most_alpha(kind):
    rng, runs, false, watched = np.random.default_rng(0), 50, 0, 0
    for _ in range(runs):
        alarm = kind(NAMES, planned=20)
        readings = [reading for _ in range(20) for reading in alarm.update(unchanged(rng)).values()]
        false += any(reading.alarm for reading in readings)
        watched += any(reading.watch for reading in readings)
    assert false / runs <= 0.05
    assert watched / runs > 0.5


@pytest.mark.parametrize(
    ("losses", "gains", "checkpoints"), [(0.05, 0.0, 2), (0.06, 0.01, 3), (0.075, 0.025, 4)], ids=["5 %", "7 %", "10 %"]
)
def test_five_point_drop_on_fresh_items_alarms_within_a_few_checkpoints(losses, gains, checkpoints):
    rng, waits = np.random.default_rng(1), []
    for _ in range(40):
        alarm = FreshItemsAlarm(NAMES, planned=20)
        for _ in range(5):
            alarm.update(unchanged(rng))
        wait = 1
        while not alarm.update({"a": binary(rng, 200, losses, gains)})["a"].alarm:
            wait += 1
        waits.append(wait)
    assert np.median(waits) <= checkpoints


def test_fresh_items_follow_the_recursion_written_out():
    alarm = FreshItemsAlarm({"a": 0.03}, planned=3)
    rng, bets, wealth = np.random.default_rng(2), np.geomspace(0.1, 1, 6), np.zeros(6)
    for k in range(1, 6):
        differences = binary(rng, 30, 0.1, 0.02)
        wealth = (wealth + (1 / 3 if k <= 3 else 0.0)) * np.prod(1 - np.outer(differences, bets), axis=0)
        e_value = alarm.update({"a": differences})["a"].e_value
        assert e_value == pytest.approx(wealth.mean() + max(0.0, 1 - k / 3))


def test_fresh_items_alarm_at_capabilities_over_alpha():
    alarm = FreshItemsAlarm(NAMES, planned=10)
    reading = alarm.update({"a": -np.ones(2000)})["a"]
    assert reading.threshold == pytest.approx(100)
    assert reading.alarm
    assert np.isfinite(reading.e_value)


def test_fixed_list_uses_holm_at_the_level_of_one_planned_evaluation():
    alarm = FixedListAlarm(NAMES, planned=20)
    drop = np.array([-1.0] * 9 + [0.0] * 191)
    weaker = np.array([-1.0] * 8 + [0.0] * 192)
    readings = alarm.update(dict.fromkeys(NAMES, np.zeros(200)) | {"a": -np.ones(30), "b": drop, "c": weaker})
    # .05/20 over 5, 4 and 3: 2^-9 fails at .0025/4 though it is a watch.
    assert readings["a"].alarm
    assert not readings["b"].alarm
    assert readings["b"].watch
    assert readings["b"].p_value == pytest.approx(2**-9)
    assert not readings["d"].watch


def test_capabilities_that_were_not_measured_still_count():
    readings = FixedListAlarm(NAMES, planned=1).update({"a": np.array([-1.0] * 6)})
    assert list(readings) == ["a"]
    assert not readings["a"].alarm


def test_fixed_list_has_no_level_left_beyond_the_plan():
    alarm = FixedListAlarm({"a": 0.02}, planned=1)
    assert alarm.update({"a": -np.ones(50)})["a"].alarm
    later = alarm.update({"a": -np.ones(50)})["a"]
    assert later.watch
    assert not later.alarm


def test_graded_scores_are_read_by_betting():
    rng = np.random.default_rng(3)
    reading = FixedListAlarm({"a": 0.02}, planned=5).update({"a": rng.uniform(-0.3, 0.1, 300)})["a"]
    assert reading.alarm
    assert not FixedListAlarm({"a": 0.02}, planned=5).update({"a": rng.uniform(-0.1, 0.1, 300)})["a"].watch


@pytest.mark.parametrize("kind", [FixedListAlarm, FreshItemsAlarm])
def test_resumed_alarm_reads_the_same(kind):
    rng = np.random.default_rng(4)
    checkpoints = [unchanged(rng) | {"b": binary(rng, 200, 0.06, 0.03)} for _ in range(6)]
    whole, first, second = (kind(NAMES, planned=6) for _ in range(3))
    expected = [whole.update(checkpoint) for checkpoint in checkpoints]
    for checkpoint in checkpoints[:3]:
        first.update(checkpoint)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert [second.update(checkpoint) for checkpoint in checkpoints[3:]] == expected[3:]


def test_lost_stakes_survive_the_state():
    alarm = FreshItemsAlarm({"a": 0.02}, planned=2)
    alarm.update({"a": np.ones(3)})
    state = json.loads(json.dumps(alarm.state_dict()))
    assert state["log_wealth"]["a"][-1] is None
    again = FreshItemsAlarm({"a": 0.02}, planned=2)
    again.load_state_dict(state)
    assert again.update({"a": -np.ones(9)}) == alarm.update({"a": -np.ones(9)})


@pytest.mark.parametrize("kind", [FixedListAlarm, FreshItemsAlarm])
def test_alarms_refuse_plans_and_names_they_cannot_honour(kind):
    with pytest.raises(ValueError, match="at least 1"):
        kind({"a": 0.02}, planned=0)
    with pytest.raises(ValueError, match="needs capabilities"):
        kind({}, planned=3)
    with pytest.raises(ValueError, match="not planned"):
        kind({"a": 0.02}, planned=3).update({"z": np.zeros(3)})
