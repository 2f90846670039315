"""Items of reasoning-gym: fresh for every seed, scored by its verifiers."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from forgetless.errors import RecipeError, TaskError
from forgetless.recipe import ReasoningGymTask, parse_recipe
from forgetless.tasks import build_task


def build(name: str = "chain_sum", **settings: Any) -> Any:
    task = ReasoningGymTask(type="reasoning_gym", name=name, **settings)
    return build_task("t", task, folder=Path(), seed=0)


def test_items_follow_from_seed_and_part() -> None:
    task = build(items=40, dev_items=10)
    assert task.fresh
    assert not task.binary
    assert (task.size("test"), task.size("dev")) == (40, 10)
    first = task.items("test", seed=1)
    assert first == task.items("test", seed=1)
    assert len({item.id for item in first}) == 40
    assert not {i.id for i in first} & {i.id for i in task.items("test", seed=2)}
    assert not {i.id for i in first} & {i.id for i in task.items("dev", seed=1)}


def test_the_verifier_scores_what_stands_in_the_tags_or_all_that_is_said(scripted: Any) -> None:
    task = build()
    items = task.items("dev", limit=6, seed=0)
    targets = {item.messages[-1].content: item.target for item in items}

    def scores(say: Any) -> list[float | None]:
        return [r.score for r in task.score(scripted(answer=lambda asked: say(targets[asked])), items)]

    assert scores(str) == [1.0] * 6
    assert scores(lambda target: f"<think>\nlong\n</think>\n\n{target}") == [1.0] * 6
    assert scores(lambda target: f"It is easy. <answer>{target}</answer>") == [1.0] * 6
    assert all(0.0 < score < 1.0 for score in scores(lambda target: f"It is {target}, I think.") if score is not None)
    assert scores(lambda target: "no idea") == [0.0] * 6
    assert scores(lambda target: None) == [None] * 6


def test_settings_reach_the_generator() -> None:
    easy = build(config={"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1}, items=20)
    assert all(len(item.messages[-1].content.split(":")[1].split()) <= 5 for item in easy.items("test"))
    assert easy.fingerprint != build(items=20).fingerprint
    spoken = build(system="Write <answer>the number</answer>.")
    assert [m.role for m in spoken.items("dev", limit=1)[0].messages] == ["system", "user"]
    assert spoken.fingerprint != build().fingerprint


def test_a_small_world_repeats_itself_under_other_ids() -> None:
    tiny = build(config={"min_terms": 1, "max_terms": 1, "min_digits": 1, "max_digits": 1}, items=30)
    items = tiny.items("test", seed=3)
    assert len({item.messages[-1].content for item in items}) <= 10
    assert len({item.id for item in items}) == len(items) == 30


def test_random_states_are_left_alone() -> None:
    state = random.getstate()
    build("word_sorting", items=10).items("test")
    assert random.getstate() == state


def test_what_the_package_does_not_know_is_refused() -> None:
    with pytest.raises(TaskError, match="no generator of that name") as caught:
        build("chain_sums")
    assert "did you mean `chain_sum`?" in caught.value.way_out
    with pytest.raises(TaskError) as caught:
        build(config={"terms": 3})
    assert "it takes min_terms, max_terms" in caught.value.way_out
    with pytest.raises(TaskError, match="min_terms must be positive"):
        build(config={"min_terms": 0})


def test_seed_and_size_are_no_settings() -> None:
    data = {
        "name": "small",
        "model": {"path": "base"},
        "sources": {"rows": {"kind": "domain", "files": ["rows.jsonl"], "share": 1.0}},
        "keep": {"sums": {"task": {"reasoning_gym": "chain_sum", "config": {"seed": 3}}}},
    }
    with pytest.raises(RecipeError, match="`seed` is set by every evaluation"):
        parse_recipe(data)
