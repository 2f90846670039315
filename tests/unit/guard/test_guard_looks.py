"""The guard along a run: what a look writes down, when it calls a halt, which checkpoint it chooses."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from scripted_models import ScriptedModel

from forgetless.guard import Guard
from forgetless.records import Evaluation, from_json
from forgetless.rundir import RunFolder

MakeGuard = Callable[..., Guard]


def checkpoint(step: int, **lost: float) -> ScriptedModel:
    return ScriptedModel(f"checkpoint {step}", lost)


def look(guard: Guard, step: int, **lost: float) -> str | None:
    return guard.look(checkpoint(step, **lost), step=step, tokens=100 * step)  # type: ignore[arg-type]


def told(run: RunFolder, kind: str) -> list[Mapping[str, Any]]:
    return [event for event in run.events() if event["event"] == kind]


def test_a_look_is_an_event_with_its_numbers(make_guard: MakeGuard, run: RunFolder) -> None:
    guard = make_guard()
    assert look(guard, 3, domain=0.25) is None
    (event,) = told(run, "evaluation")
    assert (event["step"], event["tokens"]) == (3, 300)
    domain, maths, sorting = event["domain"], *event["capabilities"]
    assert (domain["base_score"], domain["score"], domain["outcome"]) == (0.5, 0.75, "gained")
    assert [maths["capability"], sorting["capability"]] == ["maths", "sorting"]
    assert (maths["score"], maths["n"], maths["estimate"], maths["margin"]) == (1.0, 60, 0.0, 0.1)
    assert not maths["alarm"]
    assert not maths["watch"]
    fields = {name: value for name, value in event.items() if name not in ("event", "time")}
    assert from_json(Evaluation, fields) == guard.evaluations[0]


@pytest.mark.parametrize("dropped", ["maths", "sorting"])
def test_a_drop_raises_the_alarm_and_stops(make_guard: MakeGuard, run: RunFolder, dropped: str) -> None:
    guard = make_guard()
    assert look(guard, 1) is None
    reason = look(guard, 2, **{dropped: 0.5})
    assert reason == f"alarm: {dropped} dropped"
    (alarm,) = told(run, "alarm")
    assert (alarm["step"], alarm["capability"]) == (2, dropped)
    assert "50.0 points" in alarm["message"]
    assert [event["event"] for event in run.events()] == ["evaluation", "evaluation", "alarm"]


def test_an_alarm_need_not_stop(make_guard: MakeGuard, run: RunFolder) -> None:
    guard = make_guard(stop_on_alarm=False)
    assert look(guard, 1, maths=0.5, sorting=0.5) is None
    assert {event["capability"] for event in told(run, "alarm")} == {"maths", "sorting"}


def test_a_small_change_raises_no_alarm(make_guard: MakeGuard, run: RunFolder) -> None:
    guard = make_guard()
    assert look(guard, 1, maths=0.05) is None
    assert told(run, "alarm") == []


def test_patience_ends_a_run_whose_domain_no_longer_rises(make_guard: MakeGuard) -> None:
    guard = make_guard(planned=8, patience_evaluations=2)
    assert [look(guard, step, domain=lost) for step, lost in enumerate((0.5, 0.4, 0.4), start=1)] == [None] * 3
    assert look(guard, 4, domain=0.45) == "the domain score has not risen in 2 evaluations"


def test_patience_starts_anew_whenever_the_domain_rises(make_guard: MakeGuard) -> None:
    guard = make_guard(planned=8, patience_evaluations=2)
    reasons = [look(guard, step, domain=lost) for step, lost in enumerate((0.5, 0.5, 0.4, 0.4, 0.3, 0.3), start=1)]
    assert reasons == [None] * 6


def test_without_patience_a_run_goes_on(make_guard: MakeGuard) -> None:
    guard = make_guard(planned=8)
    assert [look(guard, step, domain=0.5 + step / 20) for step in range(1, 7)] == [None] * 6


def test_an_alarm_is_named_before_patience(make_guard: MakeGuard) -> None:
    guard = make_guard(patience_evaluations=1)
    look(guard, 1, domain=0.4)
    assert look(guard, 2, domain=0.4, maths=0.5) == "alarm: maths dropped"


def test_the_best_clean_checkpoint_is_chosen(make_guard: MakeGuard) -> None:
    guard = make_guard(stop_on_alarm=False)
    for step, lost in enumerate(({"domain": 0.4}, {"domain": 0.2}, {"domain": 0.3}, {"domain": 0.0, "maths": 0.5}), 1):
        look(guard, step, **lost)
    choice = guard.choose()
    assert choice.step == 2
    assert "nothing dropped" in choice.reason


def test_where_all_have_dropped_something_the_reason_says_so(make_guard: MakeGuard) -> None:
    guard = make_guard(stop_on_alarm=False)
    look(guard, 1, domain=0.4, maths=0.5)
    look(guard, 2, domain=0.3, sorting=0.5)
    choice = guard.choose()
    assert choice.step == 2
    assert "every checkpoint had dropped something" in choice.reason


def test_among_equals_the_earliest_is_chosen(make_guard: MakeGuard) -> None:
    guard = make_guard()
    for step in (1, 2, 3):
        look(guard, step, domain=0.3)
    assert guard.choose().step == 1


def test_fixed_items_of_the_base_are_measured_once_and_fresh_ones_at_every_look(make_guard: MakeGuard) -> None:
    base = ScriptedModel("base", {"domain": 0.5})
    guard = make_guard(base=base)
    for step in (1, 2, 3):
        look(guard, step)
    fixed = [item for item in base.asked if item.startswith(("maths", "domain"))]
    fresh = [item for item in base.asked if item.startswith("sorting")]
    assert len(fixed) == len(set(fixed)) == 120
    assert len(fresh) == len(set(fresh)) == 180


def test_the_base_and_the_checkpoint_are_asked_the_same(make_guard: MakeGuard) -> None:
    base, tuned = ScriptedModel("base"), checkpoint(1)
    make_guard(base=base).look(tuned, step=1, tokens=1)  # type: ignore[arg-type]
    assert base.asked == tuned.asked
    assert all("-dev-" in item for item in base.asked)


def test_fresh_items_depend_on_the_seed_and_the_step(make_guard: MakeGuard) -> None:
    draws = set()
    for seed, step in ((0, 1), (0, 2), (1, 1)):
        tuned = ScriptedModel(f"{seed} {step}")
        make_guard(seed=seed).look(tuned, step=step, tokens=1)  # type: ignore[arg-type]
        draws.add(tuple(item for item in tuned.asked if item.startswith("sorting")))
    assert len(draws) == 3


def test_what_was_looked_at_says_how_far_answers_differ(make_guard: MakeGuard) -> None:
    guard = make_guard(stop_on_alarm=False)
    look(guard, 5, maths=0.2)
    assert guard.discordance(5) == pytest.approx({"maths": 0.2, "sorting": 0.0})
    assert guard.discordance(6) == {}


LOOKS: list[dict[str, float]] = [
    {"domain": 0.4},
    {"domain": 0.3, "sorting": 0.05},
    {"domain": 0.3, "sorting": 0.1, "maths": 0.05},
    {"domain": 0.3, "sorting": 0.15, "maths": 0.25},
]


@pytest.mark.parametrize("killed_after", [0, 1, 2, 3])
def test_a_resumed_guard_is_one_that_was_never_interrupted(make_guard: MakeGuard, killed_after: int) -> None:
    settings = {"patience_evaluations": 3, "stop_on_alarm": True}
    whole = make_guard(**settings)
    reasons = [look(whole, step, **lost) for step, lost in enumerate(LOOKS)]
    first = make_guard(**settings)
    halves = [look(first, step, **lost) for step, lost in enumerate(LOOKS[:killed_after])]
    second = make_guard(**settings)
    second.load_state_dict(json.loads(json.dumps(first.state_dict(), allow_nan=False)))
    halves += [look(second, step, **LOOKS[step]) for step in range(killed_after, len(LOOKS))]
    assert halves == reasons
    assert reasons[-1] is not None
    assert without_clock(second) == without_clock(whole)
    assert second.choose() == whole.choose()
    assert [second.discordance(step) for step in range(4)] == [whole.discordance(step) for step in range(4)]


def without_clock(guard: Guard) -> dict[str, Any]:
    state = guard.state_dict()
    return state | {"evaluations": [e | {"seconds": 0.0} for e in state["evaluations"]]}
