"""Names of files, folders and patterns."""

from __future__ import annotations

from pathlib import Path

import pytest

from forgetless.errors import DataError
from forgetless.sources import resolve_files


def write(path: Path, data: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def test_names_are_relative_to_the_recipe_and_kept_in_the_order_given(tmp_path: Path) -> None:
    b, a = write(tmp_path / "data/b.jsonl", "{}"), write(tmp_path / "data/a.jsonl", "{}")
    assert resolve_files(["data/b.jsonl", "data/a.jsonl"], folder=tmp_path, field="f") == [b, a]


def test_a_pattern_is_sorted_and_a_file_named_twice_is_read_once(tmp_path: Path) -> None:
    for name in ("c", "a", "b"):
        write(tmp_path / f"{name}.jsonl", "{}")
    found = resolve_files(["b.jsonl", "*.jsonl"], folder=tmp_path, field="f")
    assert [path.name for path in found] == ["b.jsonl", "a.jsonl", "c.jsonl"]


def test_a_pattern_reaches_into_subfolders(tmp_path: Path) -> None:
    deep = write(tmp_path / "x/y/z.csv", "a\n1\n")
    assert resolve_files(["**/*.csv"], folder=tmp_path, field="f") == [deep]


def test_a_file_whose_name_looks_like_a_pattern_is_found(tmp_path: Path) -> None:
    odd = write(tmp_path / "rows[1].jsonl", "{}")
    assert resolve_files(["rows[1].jsonl"], folder=tmp_path, field="f") == [odd]


def test_a_missing_file_is_answered_with_the_nearest_name(tmp_path: Path) -> None:
    write(tmp_path / "data/train.jsonl", "{}")
    with pytest.raises(DataError, match=r"no such file\n.*did you mean `data/train.jsonl`") as caught:
        resolve_files(["data/trian.jsonl"], folder=tmp_path, field="sources.a.files")
    assert caught.value.field == "sources.a.files"


@pytest.mark.parametrize(
    ("pattern", "rule"), [("*.csv", "matches no file"), ("data", "a folder without data"), ("e.csv", "empty")]
)
def test_what_stands_for_no_rows_is_refused(tmp_path: Path, pattern: str, rule: str) -> None:
    write(tmp_path / "data/deep/a.jsonl", "{}")
    if pattern == "e.csv":
        write(tmp_path / "e.csv", "")
    with pytest.raises(DataError, match=rule):
        resolve_files([pattern], folder=tmp_path, field="f")


def test_a_folder_stands_for_its_data_files_in_order(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.jsonl.gz", "README.md", "LICENSE.txt", ".a.jsonl", "a.png", "deep/c.jsonl"):
        write(tmp_path / "data" / name, "{}")
    found = resolve_files(["data"], folder=tmp_path, field="f")
    assert [path.name for path in found] == ["a.jsonl.gz", "b.jsonl"]


def test_a_folder_of_several_formats_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "data/dataset_info.json", "{}")
    write(tmp_path / "data/train.parquet", "x")
    with pytest.raises(DataError, match="several formats: json, parquet") as caught:
        resolve_files(["data"], folder=tmp_path, field="f")
    assert "data/*.json" in caught.value.way_out
