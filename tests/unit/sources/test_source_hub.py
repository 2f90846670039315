"""Datasets in the hub's layout, read from local folders; and what is said when there is no network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from forgetless.errors import DataError
from forgetless.recipe import FileSettings, GenerationTask
from forgetless.sources import LoadedSource, load_source
from forgetless.tasks import build_task

CARD = """---
configs:
- config_name: easy
  data_files:
  - {split: train, path: easy.jsonl}
- config_name: hard
  data_files:
  - {split: train, path: hard.jsonl}
  - {split: test, path: hard_test.jsonl}
---
"""


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Two subsets in a folder, as a clone of a dataset's repository holds them."""
    folder = tmp_path / "clone"
    folder.mkdir()
    (folder / "README.md").write_text(CARD)
    for name, n in (("easy", 30), ("hard", 40), ("hard_test", 50)):
        rows = [{"question": f"{name} {i}?", "answer": str(i), "level": None} for i in range(n)]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def load(folder: Path, **settings: Any) -> LoadedSource:
    return load_source("s", FileSettings(**settings), kind="domain", folder=folder, field="sources.s")


def test_a_split_of_a_subset_is_read_in_order_and_described(dataset: Path) -> None:
    source = load(dataset.parent, hub="clone", subset="hard")
    assert [row.messages[0].content for row in source.rows] == [f"hard {i}?" for i in range(40)]
    assert (source.rows[0].origin, source.rows[-1].origin) == ("clone/hard/train:1", "clone/hard/train:40")
    assert source.describe() == (
        "s: hub dataset clone/hard/train with columns question, answer, level, read as prompt_completion rows: "
        "40 rows, 0 rejected, 0 duplicates left out, columns not read: level"
    )


def test_a_split_is_cut_to_rows_that_keep_their_numbers(dataset: Path) -> None:
    source = load(dataset.parent, hub="clone", subset="hard", split="test[10:13]")
    assert [row.origin for row in source.rows] == [f"clone/hard/test[10:13]:{n}" for n in (11, 12, 13)]
    assert [row.messages[1].content for row in source.rows] == ["10", "11", "12"]
    assert len(load(dataset.parent, hub="clone", subset="hard", split="test[:7]").rows) == 7


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"subset": "hard", "split": "validation"}, r"Available splits: \['train', 'test'\]"),
        ({"subset": "medium"}, r"Available: \['easy', 'hard'\]"),
        ({}, "pick one among the available configs"),
    ],
)
def test_a_wrong_name_is_answered_with_the_right_ones(dataset: Path, settings: dict[str, str], said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        load(dataset.parent, hub="clone", **settings)
    assert caught.value.field == "sources.s.hub"


def test_without_a_network_the_way_out_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Couldn't reach") as caught:
        load(tmp_path, hub="nobody/nothing")
    assert "`files:`" in caught.value.way_out


@pytest.mark.parametrize("name", ["nothing", "a/b/c", "../elsewhere", ""])
def test_what_is_neither_a_name_nor_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="neither `owner/name` nor a folder"):
        load(tmp_path / "empty", hub=name)


def test_a_file_is_named_under_files(dataset: Path) -> None:
    with pytest.raises(DataError, match="is a file") as caught:
        load(dataset.parent, hub="clone/easy.jsonl")
    assert caught.value.way_out == "write `files: [clone/easy.jsonl]`"


def test_a_folder_has_no_revision(dataset: Path) -> None:
    with pytest.raises(DataError, match="is a folder here"):
        load(dataset.parent, hub="clone", subset="easy", revision="main")


def test_broken_data_is_refused_with_its_split(dataset: Path) -> None:
    (dataset / "easy.jsonl").write_text('{"question": "q", "answer": "a"}\n{broken\n')
    with pytest.raises(DataError) as caught:
        load(dataset.parent, hub="clone", subset="easy")
    assert caught.value.value == "clone/easy/train"


def test_items_come_from_a_split_too(dataset: Path) -> None:
    settings = GenerationTask(
        type="generation",
        hub="clone",
        subset="hard",
        split="test",
        prompt="{question}",
        answer="answer",
        subject="file",
    )
    task = build_task("maths", settings, folder=dataset.parent, seed=0)
    items = (*task.items("dev"), *task.items("test"))
    assert len(items) == 50
    assert {item.subject for item in items} == {"hard"}
