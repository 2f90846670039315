"""The plan of a small recipe on nano: what it says, and that a run follows it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from planned_world import World, small_recipe

from forgetless import planning
from forgetless.errors import ResourceError, RunFolderError
from forgetless.planning import Plan, Room, follow_plan, looks_in, make_plan, measured
from forgetless.planning.make import alike_in, notes_of
from forgetless.progress import unwatched
from forgetless.recipe import ReplaySettings, load_recipe, parse_recipe
from forgetless.records import Message, from_json, to_json
from forgetless.rundir import RunFolder, open_run
from forgetless.stages import keep_recipe
from forgetless.synthesis import Hole, ReplayState
from forgetless.training import predicted_bytes


@pytest.fixture(autouse=True)
def _cache(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORGETLESS_CACHE", str(world.folder / "cache"))


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunFolder]:
    with open_run(tmp_path / "run") as folder:
        yield folder


@pytest.fixture
def measures_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def measured_again(*_: object, **__: object) -> None:
        raise AssertionError("this was measured before")

    monkeypatch.setattr(measured, "_measure", measured_again)


def planned(world: World, tmp_path: Path, **evaluation: Any) -> Plan:
    """The plan of another cadence, from the same figures."""
    return make_plan(small_recipe(**evaluation), world.ground, tmp_path, anew=False, progress=unwatched)


def test_shares_tokens_and_rows_are_told(world: World) -> None:
    plan = world.plan
    messages, replay = plan.sources
    assert (messages.source, messages.kind, replay.source, replay.kind) == ("messages", "domain", "replay", "replay")
    assert messages.rows + messages.held_out + messages.too_long == 81
    assert (messages.rejected, messages.too_long) == (1, 1)
    assert messages.held_out > 5
    assert replay.rows == 60
    for source in plan.sources:
        assert source.realised_share == pytest.approx(0.5, abs=0.1)
        assert source.tokens == pytest.approx(source.realised_share * plan.tokens, abs=1)
    assert messages.passes == pytest.approx(2, rel=0.2)
    assert plan.steps * plan.tokens_per_step == pytest.approx(plan.tokens, rel=0.2)
    assert replay.cut_percent is not None
    assert messages.account is not None
    assert list(messages.account.rejected.values()) == [1]
    assert replay.account is None


def test_the_looks_are_within_the_budget_and_the_bill_says_so(world: World) -> None:
    plan, cadence = world.plan, world.plan.cadence
    assert cadence.looks == looks_in(plan.steps, cadence.every_steps)
    assert cadence.within_budget == (cadence.share <= 0.15)
    assert (cadence.every_steps_given, cadence.dev_items_given) == (False, False)
    lines = {cost.work: cost for cost in plan.bill}
    assert list(lines) == ["replay", "noise", "training", "looks", "base_dev", "certificate", "base_test"]
    assert lines["looks"].seconds == pytest.approx(cadence.share * plan.steps * plan.speeds.step_seconds, rel=1e-6)
    assert plan.seconds == pytest.approx(sum(cost.seconds for cost in plan.bill))
    assert all(cost.seconds > 0 for cost in plan.bill)
    assert lines["replay"].generated_tokens > 60
    # Both models answer both abilities; the domain's likelihoods generate nothing.
    assert lines["base_test"].generated_tokens > 120
    assert lines["base_dev"].generated_tokens == 0


def test_what_items_can_show_is_told(world: World) -> None:
    sorting, english = world.plan.capabilities
    assert (sorting.margin, sorting.margin_given, english.margin_given) == (0.01, True, False)
    assert english.margin >= max(english.certifiable_together, english.detectable_drop or 1)
    assert english.certifiable_margin < english.certifiable_together
    assert sorting.aim == 0.0
    assert (english.test_items, english.units, english.fresh) == (120, 120, True)
    assert english.dev_items == min(24, world.plan.cadence.dev_items)
    assert world.plan.domain.detectable_gain is not None
    assert any(choice.startswith("english: a margin of") for choice in world.plan.chosen)
    assert not any("sorting" in choice for choice in world.plan.chosen)
    assert any("sorting: 120 test items can never certify a margin of 1 point" in w for w in world.plan.warnings)


def test_questions_without_an_answer_are_said(world: World) -> None:
    domain: Any = world.ground.exam.domain
    pool = dataclasses.replace(domain.pool, unanswered=3)
    exam = dataclasses.replace(world.ground.exam, domain=dataclasses.replace(domain, pool=pool))
    assert "domain: 3 records without an answer left out" in notes_of(world.recipe, exam, (), None)


def test_rows_that_are_nearly_the_same_are_said(world: World) -> None:
    (source,) = world.ground.sources
    found = dataclasses.replace(source, near_duplicates=2, alike=("data/a.jsonl:9", "data/a.jsonl:4"))
    (note,) = alike_in([source, found, dataclasses.replace(found, near_left_out=True)])
    assert note.startswith("`messages` has 2 rows nearly the same as an earlier one (a.jsonl:9 as a.jsonl:4); `near_du")


def told_of_replay(world: World, state: ReplayState, **settings: Any) -> list[str]:
    replay = ReplaySettings(share=0.5, rows=60, prompts="self", **settings)
    recipe = world.recipe.model_copy(update={"replay": replay})
    return [note for note in notes_of(recipe, world.ground.exam, (), state) if "prompts" in note or "up to" in note]


def test_what_the_base_has_yet_to_write_is_said(world: World) -> None:
    unwritten = ReplayState((), (), whole=False, block_rows=16, unwritten=120)
    written, holes = told_of_replay(world, unwritten)
    assert written == "the base has 120 prompts to write, for 60 rows that it answers"
    assert "for each the base then writes up to 16 more" in holes
    assert told_of_replay(world, unwritten, coverage="as_written") == [written]
    found = ReplayState((), (), whole=False, block_rows=16, unwritten=16, holes=(Hole("sorting", 0.25, 0),))
    assert "`sorting` is not covered by the other replay prompts (likeness 0.25)" in told_of_replay(world, found)[1]
    texts = ReplayState(((Message("user", "", raw_text=True),),), (), whole=True, block_rows=16)
    (ignored,) = told_of_replay(world, texts)
    assert ignored.startswith("`replay.coverage` is not read")


def test_what_was_assumed_and_chosen_is_said(world: World) -> None:
    notes, cadence = " ".join(world.plan.notes), world.plan.cadence
    assert f"`every_steps: {cadence.every_steps}` and `dev_items: {cadence.dev_items}`" in " ".join(world.plan.chosen)
    assert "assumed, for nobody has measured it yet: 0.1 of right-or-wrong items turn" in notes
    assert "upper bound" in notes
    assert "not written yet" in notes


def test_memory_and_disk_are_told(world: World) -> None:
    plan, model = world.plan, world.ground.base.model
    assert plan.memory.needed_bytes > 16 * sum(p.numel() for p in model.parameters())
    assert plan.memory.needed_bytes < plan.memory.available_bytes
    looks = plan.cadence.looks
    assert plan.disk.needed_bytes == predicted_bytes(model, world.recipe.training, evaluations=looks)


def test_a_plan_leaves_no_run_behind(world: World) -> None:
    assert not (world.folder / "runs").exists()


def test_a_plan_survives_json(world: World) -> None:
    assert from_json(Plan, json.loads(json.dumps(to_json(world.plan), allow_nan=False))) == world.plan


@pytest.mark.usefixtures("measures_nothing")
def test_a_run_follows_the_very_plan_that_was_shown(world: World, run: RunFolder) -> None:
    recipe = follow_plan(world.recipe, world.ground, run, unwatched)
    (event,) = run.events()
    told = from_json(Plan, {k: v for k, v in event.items() if k not in ("event", "time")})
    for name in ("steps", "cadence", "capabilities", "sources", "bill", "chosen", "notes", "warnings"):
        assert getattr(told, name) == getattr(world.plan, name), name
    assert recipe.training.steps == world.plan.steps
    assert recipe.evaluation.every_steps == world.plan.cadence.every_steps
    assert recipe.evaluation.dev_items == world.plan.cadence.dev_items
    margins = {name: c.margin_points for name, c in recipe.keep.items()}
    assert margins == {c.capability: pytest.approx(100 * c.margin) for c in world.plan.capabilities}
    assert (recipe.training.epochs, world.plan.epochs) == (None, 2)
    assert load_recipe(run.path / "recipe.yaml").model_dump() == recipe.model_dump()


def test_a_resumed_run_keeps_its_plan_and_measures_nothing(
    world: World, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_recipe(world.recipe, run, resume=False)
    recipe = follow_plan(world.recipe, world.ground, run, unwatched)
    monkeypatch.setattr(planning.follow, "make_plan", lambda *_, **__: pytest.fail("this run has a plan"))
    resumed = keep_recipe(world.recipe, run, resume=True)
    assert resumed == recipe
    assert follow_plan(resumed, world.ground, run, unwatched) == recipe
    assert [event["event"] for event in run.events()] == ["plan"]
    data = world.recipe.model_dump()
    for other in ({"seed": 4}, {"training": data["training"] | {"epochs": 3}}):
        with pytest.raises(RunFolderError, match="another recipe"):
            keep_recipe(parse_recipe(data | other), run, resume=True)


def test_a_resumed_run_needs_room_for_the_rest_alone(
    world: World, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = follow_plan(world.recipe, world.ground, run, unwatched)
    needed = world.plan.disk.needed_bytes
    monkeypatch.setattr(planning.room, "free_bytes", lambda folder: needed // 2)
    with pytest.raises(ResourceError, match="free some space"):
        follow_plan(recipe, world.ground, run, unwatched)
    monkeypatch.setattr(planning.room, "folder_bytes", lambda folder: needed // 2 + 1)
    assert follow_plan(recipe, world.ground, run, unwatched) == recipe


def test_a_run_that_fell_before_its_plan_is_planned_when_it_is_resumed(world: World, run: RunFolder) -> None:
    keep_recipe(world.recipe, run, resume=False)
    resumed = keep_recipe(world.recipe, run, resume=True)
    assert resumed == world.recipe
    follow_plan(resumed, world.ground, run, unwatched)
    assert [event["event"] for event in run.events()] == ["plan"]


@pytest.mark.usefixtures("measures_nothing")
def test_what_is_written_is_kept_and_warned_of(world: World, tmp_path: Path) -> None:
    plan = planned(world, tmp_path, every_steps=1, dev_items=24, budget_percent=0.01)
    assert (plan.cadence.every_steps, plan.cadence.dev_items, plan.cadence.looks) == (1, 24, plan.steps)
    assert any("budget_percent: 0.01`; raise `every_steps`, lower `dev_items`" in w for w in plan.warnings)
    assert not any("every_steps" in choice for choice in plan.chosen)


@pytest.mark.usefixtures("measures_nothing")
def test_a_budget_that_buys_nothing_is_not_said_to_be_kept(world: World, tmp_path: Path) -> None:
    plan = planned(world, tmp_path, budget_percent=0.001)
    (chosen,) = [choice for choice in plan.chosen if "every_steps" in choice]
    assert chosen.endswith("the least that tells anything")
    assert any("budget_percent: 0.001`; keep fewer abilities, or allow more" in w for w in plan.warnings)


@pytest.mark.usefixtures("measures_nothing")
def test_another_learning_rate_is_as_fast(world: World, tmp_path: Path) -> None:
    recipe = small_recipe()
    training = recipe.training.model_dump() | {"learning_rate": 1e-4, "warmup_steps": 3, "schedule": "linear"}
    plan = make_plan(parse_recipe(recipe.model_dump() | {"training": training}), world.ground, tmp_path, anew=False,
                     progress=unwatched)  # fmt: skip
    assert plan.seconds == world.plan.seconds


def test_what_an_endpoint_answers_is_counted_in_tokens_and_not_in_hours(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = small_recipe()
    assert recipe.replay is not None
    served = {"fast": {"url": "http://127.0.0.1:9/v1", "model": "nano", "concurrency": 4}}
    data = recipe.model_dump() | {"endpoints": served, "replay": recipe.replay.model_dump() | {"endpoint": "fast"}}
    monkeypatch.setattr(measured, "_ASKING_SECONDS", 0.0)
    plan = make_plan(parse_recipe(data), world.ground, tmp_path, anew=False, progress=unwatched)
    replay = plan.bill[0]
    assert (replay.work, replay.seconds, replay.elsewhere, replay.kept) == ("replay", 0.0, True, False)
    assert replay.generated_tokens == pytest.approx(world.plan.bill[0].generated_tokens, rel=0.2)
    assert plan.seconds == pytest.approx(sum(cost.seconds for cost in plan.bill[1:]))
    assert any("endpoint `fast`, which was not asked" in note for note in plan.notes)
    assert not any(cost.elsewhere for cost in world.plan.bill)


@pytest.mark.usefixtures("measures_nothing")
def test_fewer_items_cost_less(world: World, tmp_path: Path) -> None:
    few, many = (planned(world, tmp_path, every_steps=5, dev_items=items) for items in (2, 24))
    assert few.cadence.share < many.cadence.share
    all_items, half = (planned(world, tmp_path, test_items=items, every_steps=5, dev_items=2) for items in (None, 60))

    def certificate(plan: Plan) -> float:
        return next(cost.seconds for cost in plan.bill if cost.work == "certificate")

    assert certificate(half) < certificate(all_items)


def test_a_run_that_memory_cannot_hold_is_refused(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning.room, "free_memory_bytes", lambda device: 1_000_000)
    with pytest.raises(ResourceError, match="method: lora") as caught:
        planned(world, tmp_path)
    assert caught.value.exit_code == 2


def test_a_run_whose_steps_need_too_much_is_refused_after_it_was_measured(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning.make, "memory_room", lambda *_: Room(9_000_000_000, 8_000_000_000))
    with pytest.raises(ResourceError, match=r"there are 8\.0 GB for it"):
        planned(world, tmp_path)


def test_a_run_that_the_disk_cannot_hold_is_refused(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = world.ground.base.model
    for evaluations in (1, 3):
        room = predicted_bytes(model, world.recipe.training, evaluations=evaluations)
        monkeypatch.setattr(planning.room, "free_bytes", lambda output, room=room: room)
        assert planned(world, tmp_path).cadence.looks <= evaluations
        with pytest.raises(ResourceError, match="raise `evaluation"):
            planned(world, tmp_path, every_steps=1)
    monkeypatch.setattr(planning.room, "free_bytes", lambda output: 1_000_000)
    with pytest.raises(ResourceError, match="free some space") as caught:
        planned(world, tmp_path)
    assert caught.value.field == "output"


def test_a_strict_look_is_planned_with_what_it_may_spend(world: World, tmp_path: Path) -> None:
    strict, plain = planned(world, tmp_path, strict=True), planned(world, tmp_path)
    assert (strict.alpha, plain.alpha) == (pytest.approx(0.025), 0.05)
    assert any("look 1 at these test items" in note for note in strict.notes)
    for less, more in zip(strict.capabilities, plain.capabilities, strict=True):
        assert less.certifiable_margin > more.certifiable_margin


def test_stopping_early_is_planned_as_an_upper_bound_of_all_items(world: World, tmp_path: Path) -> None:
    early, whole = planned(world, tmp_path, stop_early=True), planned(world, tmp_path)
    assert any("`stop_early`: the base's test part is an upper bound too" in note for note in early.notes)
    assert not any("stop_early" in note for note in whole.notes)
    for work in ("certificate", "base_test"):
        one, other = (next(cost for cost in plan.bill if cost.work == work) for plan in (early, whole))
        assert one.generated_tokens == other.generated_tokens
        assert one.seconds >= other.seconds


def test_the_base_is_measured_against_itself_and_the_bill_says_so(world: World) -> None:
    (noise,) = [cost for cost in world.plan.bill if cost.work == "noise"]
    assert not noise.kept
    assert noise.seconds > 0
