"""Fresh items."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from forgetless.errors import TaskError
from forgetless.nano import ABILITIES
from forgetless.recipe import ProceduralTask
from forgetless.tasks import GENERATORS, build_task


def build(generator: str, **settings: Any) -> Any:
    return build_task("t", ProceduralTask(type="procedural", generator=generator, **settings), folder=Path(), seed=0)


@pytest.mark.parametrize("generator", sorted(GENERATORS))
def test_every_generator_draws_distinct_questions_with_answers(generator: str) -> None:
    items = build(generator).items("dev", limit=20, seed=3)
    assert len({item.id for item in items}) == 20
    assert all(item.target and item.messages for item in items)


def test_all_abilities_have_one() -> None:
    assert {f"nano/{ability}" for ability in ABILITIES} | {"nano/domain"} <= set(GENERATORS)


def test_items_follow_from_seed_and_part() -> None:
    task = build("nano/arithmetic", items=300, dev_items=50)
    assert task.fresh
    assert task.items("test", seed=1) == task.items("test", seed=1)
    assert task.items("test", seed=1) != task.items("test", seed=2)
    assert task.items("test", limit=50, seed=1) != task.items("dev", seed=1)
    assert len(task.items("test")) == 300
    assert len(task.items("dev")) == 50
    assert len(task.items("dev", limit=1000)) == 50
    assert (task.size("test"), task.size("dev")) == (300, 50)


def test_a_look_draws_as_many_as_the_evaluation_says() -> None:
    assert len(build("nano/arithmetic", items=600).items("dev", limit=500)) == 500
    assert len(build("nano/arithmetic", items=600, dev_items=50).items("dev", limit=500)) == 50


def test_items_are_answered_and_matched_exactly(scripted: Any) -> None:
    task = build("nano/sorting")
    items = task.items("dev", limit=30, seed=0)
    targets = {item.messages[-1].content: item.target for item in items}
    assert {r.score for r in task.score(scripted(answer=targets.get), items)} == {1.0}
    assert {r.score for r in task.score(scripted(answer=lambda prompt: ""), items)} == {0.0}


def test_tasks_that_differ_have_other_fingerprints() -> None:
    tasks = [build("nano/sorting"), build("nano/facts"), build("nano/sorting", max_new_tokens=3)]
    assert len({task.fingerprint for task in tasks}) == 3


def test_an_unknown_generator_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(TaskError, match="did you mean `nano/sorting`"):
        build("nano/sort")
