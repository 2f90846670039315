"""Measuring once, in blocks, and never confusing missing with wrong."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from forgetless.records import Item, Message
from forgetless.rundir import ScoreStore
from forgetless.tasks import FixedTask, ItemPool, block_items, blocks, kept_sheet, measure
from forgetless.tasks.answer_probability import ProbabilityScorer
from forgetless.tasks.generation import GenerationScorer

ITEMS = tuple(Item(f"i{n}", (Message("user", str(n)),), target=str(n % 3), group=f"i{n}") for n in range(10))
POOL = ItemPool(ITEMS[:3], ITEMS[3:])
TASK = FixedTask("remainder", POOL, GenerationScorer("exact", 4))


@pytest.fixture
def store(tmp_path: Path) -> ScoreStore:
    return ScoreStore(tmp_path / "scores")


@pytest.fixture
def engine(scripted: Any) -> Any:
    return scripted(answer=lambda prompt: "0")


def test_every_item_keeps_its_result(engine: Any, store: ScoreStore) -> None:
    sheet = measure(engine, TASK, ITEMS, store=store)
    assert [r.item_id for r in sheet.results] == [item.id for item in ITEMS]
    assert [r.score for r in sheet.results] == [float(n % 3 == 0) for n in range(10)]
    assert (sheet.task, sheet.model_hash) == ("remainder", "model")
    assert sheet.mean == pytest.approx(0.4)


def test_the_same_measurement_is_made_once(engine: Any, store: ScoreStore) -> None:
    first = measure(engine, TASK, ITEMS, store=store)
    again = measure(engine, replace(TASK, name="renamed"), ITEMS, store=ScoreStore(store.folder))
    assert len(engine.generated) == len(ITEMS)
    assert again == replace(first, task="renamed")


@pytest.mark.parametrize("change", ["model", "settings", "task", "items", "order"])
def test_anything_that_could_matter_makes_another_measurement(engine: Any, store: ScoreStore, change: str) -> None:
    first = measure(engine, TASK, ITEMS, store=store)
    task, items = TASK, ITEMS
    if change == "model":
        engine.model_hash = "tuned"
    elif change == "settings":
        engine.settings_hash = "bfloat16"
    elif change == "task":
        task = replace(TASK, scorer=GenerationScorer("exact", 5))
    else:
        items = ITEMS[:-1] if change == "items" else ITEMS[::-1]
    assert measure(engine, task, items, store=store).key != first.key
    assert len(engine.generated) == len(ITEMS) + len(items)


def test_blocks_add_up_to_the_whole(engine: Any, store: ScoreStore) -> None:
    whole = measure(engine, TASK, ITEMS, store=store)
    blocks = [measure(engine, TASK, ITEMS[i : i + 4], store=store) for i in range(0, 10, 4)]
    assert tuple(r for block in blocks for r in block.results) == whole.results


def test_a_killed_measurement_goes_on_after_the_last_block(
    scripted: Any, store: ScoreStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forgetless.tasks.measuring.BLOCK_ITEMS", 4)

    def dies(prompt: str) -> str:
        if prompt == "6":
            raise KeyboardInterrupt
        return "0"

    with pytest.raises(KeyboardInterrupt):
        measure(scripted(answer=dies), TASK, ITEMS, store=store)
    engine = scripted(answer=lambda prompt: "0")
    seen: list[tuple[int, int]] = []
    sheet = measure(engine, TASK, ITEMS, store=store, progress=lambda done, total: seen.append((done, total)))
    assert engine.generated == ["4", "5", "6", "7", "8", "9"]
    assert seen == [(8, 10), (10, 10)]
    assert [r.item_id for r in sheet.results] == [item.id for item in ITEMS]
    assert measure(engine, TASK, ITEMS, store=store) == sheet


def test_blocks_are_in_order_and_keep_groups_whole() -> None:
    items = [replace(ITEMS[0], id=f"{n}", group=f"g{n % 70}") for n in range(140)]
    found = list(blocks(items))
    assert [len(block) for block in found] == [50, 50, 40]
    groups = [{item.group for item in block} for block in found]
    assert sum(map(len, groups)) == 70
    assert sorted(item.id for block in found for item in block) == sorted(item.id for item in items)
    assert [len(block) for block in blocks(ITEMS)] == [len(ITEMS)]
    assert list(blocks(())) == []
    assert (block_items(10), block_items(6000)) == (50, 500)


def test_a_block_and_its_list_find_each_other(
    scripted: Any, store: ScoreStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forgetless.tasks.measuring.block_items", lambda n: 4)
    monkeypatch.setattr("forgetless.tasks.measuring.BLOCK_ITEMS", 4)
    seen: list[tuple[int, int]] = []
    first, second, third = blocks(ITEMS)
    one, other = scripted(answer=lambda prompt: "0"), scripted(answer=lambda prompt: "0", model_hash="other")
    measure(one, TASK, first, store=store, within=ITEMS)
    assert kept_sheet(one, TASK, second, store=store, within=ITEMS) is None
    whole = measure(one, TASK, ITEMS, store=store, progress=lambda done, total: seen.append((done, total)))
    assert one.generated == [str(n) for n in range(10)], "each once"
    assert seen == [(8, 10), (10, 10)]
    assert [r.item_id for r in whole.results] == [item.id for item in ITEMS]
    asked = measure(other, TASK, ITEMS, store=store)
    block = measure(other, TASK, third, store=store, within=ITEMS)
    assert len(other.generated) == 10
    assert block.results == asked.results[8:]
    assert block.key != asked.key
    assert block == kept_sheet(other, TASK, third, store=store, within=ITEMS)


def test_missing_scores_stay_missing_in_the_store(scripted: Any, store: ScoreStore) -> None:
    task = FixedTask("p", POOL, ProbabilityScorer())
    engine = scripted(likelihood=lambda prompt, answer: math.nan if prompt == "4" else 0.0)
    sheet = measure(engine, task, ITEMS, store=store)
    found = measure(engine, task, ITEMS, store=store)
    assert found == sheet
    assert [r.item_id for r in found.results if r.score is None] == ["i4"]
    assert found.mean == 1.0


def test_a_scorer_that_loses_an_item_is_a_bug_and_is_not_kept(engine: Any, store: ScoreStore) -> None:
    class Forgetful(GenerationScorer):
        def score(self, engine: Any, items: Any, progress: Any = None) -> Any:
            return GenerationScorer.score(self, engine, items[1:], progress)

    with pytest.raises(AssertionError, match="every item"):
        measure(engine, replace(TASK, scorer=Forgetful("exact", 4)), ITEMS, store=store)
    assert not store.folder.exists()


def test_no_items_make_an_empty_sheet(engine: Any, store: ScoreStore) -> None:
    assert measure(engine, TASK, (), store=store).mean is None
    assert engine.generated == []
