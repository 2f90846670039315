"""What holds each ability, as the looks of a run move it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scripted_models import ListTask, ScriptedModel, exam_of

from forgetless.constraints import MOST_BRAKE, SHARE_FLOOR
from forgetless.guard import Guard, Multipliers
from forgetless.guard.probe import Signal
from forgetless.mixture import MixturePlan, MixtureStream, StreamSpec
from forgetless.recipe import Recipe
from forgetless.records import Adjustment, CapabilityScore, Evaluation, from_json
from forgetless.rundir import RunFolder

N = 400
PARTS = {"replay": 0.3, "replay/maths": 0.1}
MakeMultipliers = Callable[..., Multipliers]


def mixture(parts: dict[str, float] = PARTS) -> MixtureStream:
    def spec(name: str, share: float) -> StreamSpec:
        lengths = np.full(round(1000 * share), 10, dtype=np.int64)
        return StreamSpec.known(name, "domain" if name == "bank" else "replay", share, lengths, name)

    specs = [spec("bank", 0.6), *(spec(name, share) for name, share in parts.items())]
    return MixtureStream(specs, seed=0, bin_tokens=100, bins_per_batch=4)


@pytest.fixture
def make_multipliers(run: RunFolder) -> MakeMultipliers:
    def make(stream: MixtureStream, *, tokens: int = 40_000, test: int = 4000, probe: Any = None) -> Multipliers:
        recipe = Recipe.model_validate(
            {
                "name": "test",
                "model": {"path": "model"},
                "sources": {"bank": {"kind": "domain", "share": 0.6, "files": ["x.jsonl"]}},
                "replay": {"share": 0.4},
                "constraints": True,
                "training": {"kl_weight": 8.0},
            }
        )
        exam = exam_of(ListTask("maths", test=test), ListTask("sorting", fresh=True, test=test), margin=0.02)
        plan = MixturePlan(steps=100, tokens=tokens, tokens_per_step=tokens // 100, shares=())
        return Multipliers(exam.capabilities, stream=stream, plan=plan, recipe=recipe, run=run, probe=probe)

    return make


def look(step: int = 90, n: int = N, absent: str = "", **drops: float) -> tuple[Evaluation, dict[str, float]]:
    """Drops of items that were right before; nothing was gained."""
    scores = tuple(
        CapabilityScore(name, 1.0 - drop, 1.0, n, -drop, None, None, 0.02, "absent" if name == absent else "undecided")
        for name, drop in drops.items()
    )
    return Evaluation(step, CapabilityScore("domain", 0.5, 0.0, n, 0.5, None, None, None), scores), drops


def strengths(stream: MixtureStream) -> dict[str, float]:
    """How hard each stream of replay is held: its part of Σ w · KL / N, over that when nothing presses."""
    weights, shares = stream.multipliers(), stream.shares()
    return {spec.name: weights[spec.name] * shares[spec.name] / spec.share for spec in stream.specs[1:]}


def told(run: RunFolder) -> list[dict[str, Any]]:
    return [event for event in run.events() if event["event"] == "adjustment"]


def test_a_drop_beyond_the_budget_is_held_harder_by_rows_of_its_own_kind(
    make_multipliers: MakeMultipliers, run: RunFolder
) -> None:
    stream = mixture()
    make_multipliers(stream).adjust(*look(maths=0.05, sorting=0.02))
    weights, pressed = stream.multipliers(), strengths(stream)
    assert weights.keys() == {"bank", "replay", "replay/maths"}
    assert weights["bank"] == 1.0
    assert pressed["replay/maths"] > 1.5
    assert pressed["replay"] == pytest.approx(1.0), "what gives up tokens is held as hard as before"
    assert weights["replay"] > 1.0
    shares = stream.shares()
    assert shares["bank"] == pytest.approx(0.6)
    assert shares["replay/maths"] > 0.1
    assert math.fsum(shares.values()) == pytest.approx(1.0)
    (event,) = told(run)
    move = from_json(Adjustment, event)
    assert (move.capability, move.step, move.own) == ("maths", 90, True)
    assert (move.weight_before, move.share_before) == (8.0, pytest.approx(0.1))
    assert move.weight == pytest.approx(8.0 * pressed["replay/maths"])
    assert move.share == pytest.approx(shares["replay/maths"])
    assert event["reason"].startswith("maths fell 5 points of a budget of ")
    assert "λ 8 → " in event["reason"]
    assert "share 10 % → " in event["reason"]


def test_an_ability_without_rows_of_its_own_is_held_by_the_rest(
    make_multipliers: MakeMultipliers, run: RunFolder
) -> None:
    stream = mixture()
    make_multipliers(stream).adjust(*look(maths=0.02, sorting=0.05))
    assert strengths(stream)["replay"] > 1.5
    assert strengths(stream)["replay/maths"] == pytest.approx(1.0)
    assert [(event["capability"], event["own"]) for event in told(run)] == [("sorting", False)]


def test_where_every_row_is_of_a_kind_all_of_them_hold_the_others(make_multipliers: MakeMultipliers) -> None:
    stream = mixture({"replay/maths": 0.4})
    make_multipliers(stream).adjust(*look(maths=0.02, sorting=0.05))
    assert stream.multipliers()["replay/maths"] > 1.5
    assert stream.shares() == pytest.approx({"bank": 0.6, "replay/maths": 0.4})


def test_early_falls_press_less_than_late_ones(make_multipliers: MakeMultipliers, run: RunFolder) -> None:
    early, late = mixture(), mixture()
    make_multipliers(early).adjust(*look(step=20, maths=0.5, sorting=0.02))
    make_multipliers(late).adjust(*look(step=80, maths=0.5, sorting=0.02))
    assert strengths(early)["replay/maths"] == pytest.approx(math.exp(0.2))
    assert strengths(late)["replay/maths"] == pytest.approx(math.exp(0.8))
    assert [event["pressure"] for event in told(run)] == pytest.approx([0.2, 0.8])


def test_after_the_last_step_there_is_nothing_to_hold(make_multipliers: MakeMultipliers, run: RunFolder) -> None:
    make_multipliers(mixture()).adjust(*look(step=100, maths=0.05, sorting=0.05))
    assert told(run) == []


def test_noise_and_what_the_base_cannot_do_move_nothing(make_multipliers: MakeMultipliers, run: RunFolder) -> None:
    stream = mixture()
    multipliers = make_multipliers(stream)
    multipliers.adjust(*look(n=20, maths=0.05, sorting=0.05))
    multipliers.adjust(*look(n=8, maths=0.0, sorting=0.0))
    multipliers.adjust(*look(absent="maths", maths=0.5, sorting=0.02))
    assert stream.multipliers() == {"bank": 1.0, "replay": 1.0, "replay/maths": 1.0}
    assert stream.shares() == pytest.approx({"bank": 0.6, **PARTS})
    assert told(run) == []


def test_rows_of_no_kind_are_never_held_less_than_the_recipe_says(make_multipliers: MakeMultipliers) -> None:
    stream = mixture()
    make_multipliers(stream).adjust(*look(n=4000, maths=0.0, sorting=0.0))
    assert strengths(stream)["replay"] == pytest.approx(1.0)
    assert strengths(stream)["replay/maths"] < 1.0


def test_a_share_stays_within_the_repetition_cap(make_multipliers: MakeMultipliers) -> None:
    stream = mixture()
    multipliers = make_multipliers(stream, tokens=80_000)  # at the recipe's shares each replay row comes eight times
    for step in range(90, 96):
        for _ in range(20):
            stream.next_batch()
        multipliers.adjust(*look(step, maths=0.5, sorting=0.02))
    assert multipliers.exhausted("maths")
    assert stream.multipliers()["replay/maths"] <= 16.0 / SHARE_FLOOR
    given, share = stream.tokens(), stream.shares()["replay/maths"]
    left = 80_000 - sum(given.values())
    assert given["replay/maths"] + share * left <= 8 * 1000 * (1 + 1e-6)


def test_a_test_part_that_certifies_nothing_leaves_no_budget(make_multipliers: MakeMultipliers, run: RunFolder) -> None:
    make_multipliers(mixture(), test=100).adjust(*look(maths=0.04, sorting=0.04))
    assert [event["budget"] for event in told(run)] == [0.0, 0.0]


def test_the_state_continues_exactly(make_multipliers: MakeMultipliers) -> None:
    first, second = mixture(), mixture()
    whole, resumed = make_multipliers(first), make_multipliers(second)
    whole.adjust(*look(maths=0.05, sorting=0.03))
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    resumed.load_state_dict(json.loads(json.dumps(whole.state_dict())))
    for step, drop in enumerate((0.04, 0.0, 0.02, 0.06)):
        for multipliers, stream in ((whole, first), (resumed, second)):
            stream.next_batch()
            multipliers.adjust(*look(step, maths=drop, sorting=0.01))
    assert first.state_dict() == second.state_dict()
    assert whole.state_dict() == resumed.state_dict()


@pytest.mark.parametrize("stop_on_alarm", [False, True])
def test_an_alarm_ends_a_run_only_where_no_move_is_left(
    make_guard: Callable[..., Guard], make_multipliers: MakeMultipliers, run: RunFolder, stop_on_alarm: bool
) -> None:
    stream = mixture()
    guard = make_guard(stop_on_alarm=stop_on_alarm)
    guard.multipliers = make_multipliers(stream)
    tuned = ScriptedModel("tuned", {"maths": 0.5})
    reasons = [guard.look(tuned, step=step, tokens=500) for step in range(95, 99)]  # type: ignore[arg-type]
    assert any(event["event"] == "alarm" for event in run.events())
    assert reasons[:2] == [None, None]
    assert strengths(stream)["replay/maths"] == pytest.approx(16.0)
    last = "alarm: maths dropped, although held as hard as can be" if stop_on_alarm else None
    assert reasons[3] == last
    assert next(event["event"] for event in run.events()) == "evaluation"
    later = make_guard()
    later.multipliers = make_multipliers(mixture())
    later.load_state_dict(json.loads(json.dumps(guard.state_dict())))
    assert later.multipliers.state_dict() == guard.multipliers.state_dict()


# Checks between the looks


class Told:
    """A probe that says what it is told."""

    def __init__(self) -> None:
        self.says: dict[str, Signal] = {}

    def every_steps(self, tokens_per_step: float) -> int:
        return 3

    def read(self, engine: Any) -> dict[str, Signal]:
        return self.says


def signal(drop: float, *, kl: float = 0.01) -> Signal:
    return Signal(drop=drop, error=0.001, kl=kl, n=16)


def test_what_slips_between_looks_is_braked_and_let_go(make_multipliers: MakeMultipliers, run: RunFolder) -> None:
    stream, probe = mixture(), Told()
    multipliers = make_multipliers(stream, probe=probe)
    assert multipliers.check_steps == 3
    shares = stream.shares()
    probe.says = {"maths": signal(0.3), "sorting": signal(0.0)}
    for step, expected in ((93, 2.0**0.93), (96, MOST_BRAKE)):
        multipliers.check(ScriptedModel("now"), step)  # type: ignore[arg-type]
        assert stream.multipliers()["replay/maths"] == pytest.approx(expected)
    assert stream.multipliers()["replay"] == 1.0
    assert stream.shares() == pytest.approx(shares)  # a brake moves no rows
    probe.says = {"maths": signal(0.0)}
    multipliers.check(ScriptedModel("now"), 99)  # type: ignore[arg-type]
    assert stream.multipliers()["replay/maths"] == pytest.approx(math.sqrt(2.0))
    brakes = [event for event in run.events() if event["event"] == "brake"]
    assert [event["step"] for event in brakes] == [93, 96, 99]
    assert "λ 8 → 15.2" in brakes[0]["reason"]
    assert brakes[0]["capability"] == "maths"


def test_kl_presses_only_beyond_twice_what_was_well(make_multipliers: MakeMultipliers) -> None:
    stream, probe = mixture(), Told()
    multipliers = make_multipliers(stream, probe=probe)
    probe.says = {"maths": signal(0.0, kl=0.1)}
    multipliers.check(ScriptedModel("now"), 93)  # type: ignore[arg-type]
    assert stream.multipliers()["replay/maths"] == 1.0  # nothing is known of what KL costs here
    multipliers.adjust(*look(step=95, maths=0.0))
    at_look = stream.multipliers()["replay/maths"]
    for kl, times in ((0.19, 1.0), (0.4, 2.0**0.96)):
        probe.says = {"maths": signal(0.0, kl=kl)}
        multipliers.check(ScriptedModel("now"), 96)  # type: ignore[arg-type]
        assert stream.multipliers()["replay/maths"] == pytest.approx(at_look * times)


def test_what_a_look_has_seen_to_do_no_harm_presses_no_more(make_multipliers: MakeMultipliers) -> None:
    stream, probe = mixture(), Told()
    multipliers = make_multipliers(stream, probe=probe)
    probe.says = {"maths": signal(0.2)}
    multipliers.check(ScriptedModel("now"), 93)  # type: ignore[arg-type]
    assert stream.multipliers()["replay/maths"] == pytest.approx(2.0**0.93)
    multipliers.adjust(*look(step=95, maths=0.0))  # its answers are likely enough still
    let_go = stream.multipliers()["replay/maths"] / 2.0**0.93
    multipliers.check(ScriptedModel("now"), 96)  # type: ignore[arg-type]
    assert stream.multipliers()["replay/maths"] == pytest.approx(let_go * math.sqrt(2.0**0.93))
    probe.says = {"maths": signal(0.5)}
    multipliers.check(ScriptedModel("now"), 99)  # type: ignore[arg-type]
    assert stream.multipliers()["replay/maths"] == pytest.approx(let_go * 2.0)


def test_the_brake_continues_exactly(make_multipliers: MakeMultipliers) -> None:
    probe = Told()
    first, whole = make_multipliers(mixture(), probe=probe), mixture()
    probe.says = {"maths": signal(0.3, kl=0.1), "sorting": signal(0.05, kl=0.2)}
    first.check(ScriptedModel("now"), 3)  # type: ignore[arg-type]
    first.adjust(*look(step=5, maths=0.1, sorting=0.0))
    second = make_multipliers(whole, probe=probe)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    for multipliers in (first, second):
        multipliers.check(ScriptedModel("now"), 6)  # type: ignore[arg-type]
    assert first.state_dict() == second.state_dict()
