"""Hashes that address content: the same everywhere for the same, another for anything else."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forgetless.records import Item, Message
from forgetless.rundir import content_hash, hash_folder

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
ITEM = Item("id", (Message("user", "问 what?"),), "answer", ("a", "b"))
PARTS = ["a", 1, 2.5, None, {"y": [1, 2], "x": {"b": 1, "a": 2}}, "é"]


@pytest.mark.parametrize("seed", ["0", "1", "12345"])
def test_a_hash_is_the_same_in_every_process(seed: str) -> None:
    code = f"from forgetless.rundir import content_hash; print(content_hash(*{PARTS!r}))"
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == content_hash(*PARTS) == "d7a48b249f255758ca3b4f2e6e272a95"


def test_the_order_of_keys_does_not_matter_and_that_of_parts_does() -> None:
    assert content_hash({"a": 1, "b": 2}) == content_hash({"b": 2, "a": 1})
    assert content_hash("a", "b") != content_hash("b", "a")
    assert content_hash("a", "b") != content_hash("ab")
    assert content_hash(["a", "b"]) != content_hash("a", "b")


def test_a_record_is_hashed_by_its_fields() -> None:
    assert content_hash(ITEM) == content_hash(Item("id", (Message("user", "问 what?"),), "answer", ("a", "b")))
    assert content_hash(ITEM) != content_hash(Item("id", (Message("user", "问 what"),), "answer", ("a", "b")))
    assert content_hash(math.nan) == content_hash(None)


@given(JSON, JSON)
def test_different_content_has_different_hashes(left: object, right: object) -> None:
    # 1 and True, or 1 and 1.0, are equal in Python and not in JSON: their text decides.
    assert (content_hash(left) == content_hash(right)) == (as_json(left) == as_json(right))
    assert len(content_hash(left)) == 32


def as_json(value: object) -> str:
    return json.dumps(value, sort_keys=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "inner").mkdir()
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "inner" / "weights").write_bytes(bytes(range(256)) * 40)
    return tmp_path


def test_a_folder_changes_with_any_byte(folder: Path) -> None:
    before, weights = hash_folder(folder), folder / "inner" / "weights"
    data = weights.read_bytes()
    for position in (0, 5000, len(data) - 1):
        spoilt = bytearray(data)
        spoilt[position] ^= 1
        weights.write_bytes(bytes(spoilt))
        assert hash_folder(folder) != before
    for cut in (data[:-1], data + b"\0", b""):
        weights.write_bytes(cut)
        assert hash_folder(folder) != before
    weights.write_bytes(data)
    assert hash_folder(folder) == before


def test_a_folder_changes_with_any_name(folder: Path) -> None:
    hashes = {hash_folder(folder)}
    (folder / "config.json").rename(folder / "config.jsom")
    hashes.add(hash_folder(folder))
    (folder / "inner").rename(folder / "outer")
    hashes.add(hash_folder(folder))
    (folder / "empty").touch()
    hashes.add(hash_folder(folder))
    (folder / "outer" / "weights").unlink()
    hashes.add(hash_folder(folder))
    assert len(hashes) == 5


def test_a_byte_that_moves_from_one_file_to_the_next_changes_the_folder(tmp_path: Path) -> None:
    for name, (first, second) in {"x": ("ab", "c"), "y": ("a", "bc")}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "1").write_text(first)
        (tmp_path / name / "2").write_text(second)
    assert hash_folder(tmp_path / "x") != hash_folder(tmp_path / "y")


def test_a_folder_does_not_change_with_what_is_hidden_or_where_it_stands(folder: Path) -> None:
    before = hash_folder(folder)
    (folder / ".lock").touch()
    (folder / ".git").mkdir()
    (folder / ".git" / "head").write_text("x")
    os.utime(folder / "config.json", (0, 0))
    assert hash_folder(folder) == before
    moved = folder.rename(folder.with_name("moved"))
    assert hash_folder(moved) == before
