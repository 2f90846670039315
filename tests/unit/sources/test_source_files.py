"""File names, globs and encodings."""

from __future__ import annotations

from pathlib import Path

import pytest

from forgetless.errors import DataError
from forgetless.sources import read_records, resolve_files


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
    ("pattern", "rule"), [("*.csv", "matches no file"), ("data", "is a folder"), ("e.csv", "empty")]
)
def test_what_stands_for_no_rows_is_refused(tmp_path: Path, pattern: str, rule: str) -> None:
    write(tmp_path / "data/a.jsonl", "{}")
    if pattern == "e.csv":
        write(tmp_path / "e.csv", "")
    with pytest.raises(DataError, match=rule):
        resolve_files([pattern], folder=tmp_path, field="f")


def test_bytes_in_another_encoding_are_named_by_line_and_byte_with_the_way_out(tmp_path: Path) -> None:
    good = "prompt,completion\n" + "a,b\n" * 10
    path = write(tmp_path / "a.csv", good.encode() + "问题,答案\n".encode("gb18030"))
    with pytest.raises(DataError) as caught:
        list(read_records(path))
    assert f"line 12, byte {len(good):,} of the file" in str(caught.value)
    assert "encoding: gb18030" in caught.value.way_out
    assert [r.fields["prompt"] for r in read_records(path, encoding="gb18030")][-1] == "问题"


def test_the_byte_is_right_beyond_the_first_chunk_and_inside_a_split_character(tmp_path: Path) -> None:
    # The last character before the break of chunks (2^20 bytes) lies across it.
    good = ("x" * ((1 << 20) - 1) + "é\n").encode()
    path = write(tmp_path / "a.txt", good + b"\xff")
    with pytest.raises(DataError, match=rf"line 2, byte {len(good):,} of the file"):
        list(read_records(path))


def test_a_file_that_ends_inside_a_character_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "one\ntwo é".encode()[:-1])
    with pytest.raises(DataError, match="line 2, byte 8 of the file"):
        list(read_records(path))


@pytest.mark.parametrize(
    ("data", "guess"), [("é".encode("utf-16"), "utf-16"), (b"caf\xe9\n", "cp1252"), ("中".encode("gb18030"), "gb18030")]
)
def test_the_encoding_that_would_read_the_file_is_named(tmp_path: Path, data: bytes, guess: str) -> None:
    with pytest.raises(DataError) as caught:
        list(read_records(write(tmp_path / "a.txt", data)))
    assert f"encoding: {guess}" in caught.value.way_out


@pytest.mark.parametrize("name", ["utf-7000", "hex"])
def test_an_unknown_encoding_is_refused_as_such(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="not a text encoding"):
        list(read_records(write(tmp_path / "a.txt", "a"), encoding=name))


@pytest.mark.parametrize("encoding", ["utf-8", "UTF8", "utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "json"])
def test_every_format_is_read_in_every_encoding(tmp_path: Path, encoding: str, suffix: str) -> None:
    text = {"csv": "frage\nä中\n", "jsonl": '{"frage": "ä中"}\n', "json": '[{"frage": "ä中"}]'}[suffix]
    path = write(tmp_path / f"a.{suffix}", text.encode(encoding))
    assert [record.fields for record in read_records(path, encoding=encoding)] == [{"frage": "ä中"}]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "json", "txt"])
def test_a_byte_order_mark_is_not_part_of_the_first_name(tmp_path: Path, suffix: str) -> None:
    text = {"csv": "text\nhi\n", "jsonl": '{"text": "hi"}', "json": '[{"text": "hi"}]', "txt": "hi"}[suffix]
    path = write(tmp_path / f"a.{suffix}", text.encode("utf-8-sig"))
    assert [record.fields for record in read_records(path)] == [{"text": "hi"}]
