"""Rows on the disk: the same rows, read once, and read again only when something has changed."""

from __future__ import annotations

import gc
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forgetless.recipe import FileSettings, HeldOutTask
from forgetless.records import Message, Row
from forgetless.rundir import cache_folder
from forgetless.sources import LoadedSource, Record, Reject, Rows, as_rows, load_source, prompt_key, row_from_record
from forgetless.sources.store import keep_rows, part_of
from forgetless.tasks import held_out_split

TOOL_TALK = [
    {"role": "user", "content": "Rain in Rome?"},
    {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "rain", "arguments": {"city": "Rome"}}}]},
    {"role": "tool", "content": "none", "tool_call_id": "1"},
    {"role": "assistant", "content": "No.", "reasoning": "It said none."},
]
TALK = {"messages": TOOL_TALK, "tools": [{"name": "rain", "parameters": {"type": "object"}}]}


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORGETLESS_CACHE", str(tmp_path / "cache"))


def load(path: Path, **settings: Any) -> LoadedSource:
    return load_source("s", FileSettings(files=[str(path)], **settings), kind="domain", folder=Path(), field="s")


def write(path: Path, records: list[Any]) -> Path:
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records), "utf-8")
    return path


def pairs(n: int, first: int = 0) -> list[dict[str, str]]:
    return [{"question": f"q{i}", "answer": f"a{i}"} for i in range(first, first + n)]


def in_memory(records: list[dict[str, Any]], shape: str, path: Path) -> list[Row]:
    found = [
        row_from_record(Record(f"{path}:{line}", record), shape=shape, template=None, source="s")
        for line, record in enumerate(records, start=1)
    ]
    return [result.row for result in found if not isinstance(result, Reject)]


def test_rows_come_back_as_they_were_whatever_they_hold(tmp_path: Path) -> None:
    talks = [TALK, {"messages": [TOOL_TALK[0], {"role": "assistant", "content": "你好\n\u2028", "train": True}]}]
    path = write(tmp_path / "talks.jsonl", talks)
    assert load(path).rows == in_memory(talks, "messages", path)
    texts = [{"text": '["one"]'}, {"text": "two\n"}]
    path = write(tmp_path / "texts.jsonl", texts)
    assert load(path).rows == in_memory(texts, "text", path)


def test_any_row_of_many_is_found_by_its_number(tmp_path: Path) -> None:
    records = pairs(2500)
    source = load(write(tmp_path / "a.jsonl", [*records[:1200], records[3], "{", *records[1200:]]))
    assert (len(source.rows), source.duplicates, len(source.rejects)) == (2500, 1, 1)
    for number in (2499, 0, 1024, 1023, 1200, 1199, -1, 7):
        assert source.rows[number].messages[0].content == f"q{number % 2500}"
    assert source.rows[1200].origin.endswith(":1203")
    assert [row.messages[0].content for row in source.rows[1022:1026]] == ["q1022", "q1023", "q1024", "q1025"]
    with pytest.raises(IndexError):
        source.rows[2500]


def test_a_file_is_read_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.jsonl", [*pairs(200), "{"])
    first, stamp = load(path), path.stat()
    calls = []
    monkeypatch.setattr("forgetless.sources.making.row_from_record", lambda *_, **__: calls.append(1))
    assert load(path) == first
    assert load(path, max_rows=10).beyond_limit == 190
    assert calls == []
    monkeypatch.undo()
    monkeypatch.setenv("FORGETLESS_CACHE", str(tmp_path / "cache"))
    write(path, [*pairs(199), {"question": "q0", "answer": "other"}, "{"])
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert load(path).rows[199].messages[1].content == "other"
    assert load(path).rows.fingerprint != first.rows.fingerprint


@pytest.mark.parametrize(
    "settings",
    [{"shape": "template", "template": {"prompt": "{question}!", "completion": "{answer}"}}, {"shape": "text"}],
)
def test_another_way_to_read_is_another_store(tmp_path: Path, settings: dict[str, Any]) -> None:
    path = write(tmp_path / "a.jsonl", [record | {"text": "t" + record["question"]} for record in pairs(5)])
    plain = load(path, shape="prompt_completion")
    assert load(path, **settings).rows.fingerprint != plain.rows.fingerprint
    assert load(path, shape="prompt_completion") == plain


@pytest.mark.parametrize("key", ["k", None])
def test_a_reading_that_fails_leaves_nothing(tmp_path: Path, key: str | None) -> None:
    def results() -> Any:
        yield part_of([Reject("f:1", "broken", "{")])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        keep_rows(results(), source="s", folder=tmp_path / "rows", key=key)
    assert list((tmp_path / "rows").iterdir()) == []


def test_rows_without_a_key_go_with_their_reader(tmp_path: Path) -> None:
    found = row_from_record(Record("f:1", pairs(1)[0]), shape="prompt_completion", template=None, source="s")
    assert not isinstance(found, Reject)
    store = keep_rows([part_of([found])], source="s", folder=tmp_path / "rows", key=None)
    assert store.read(0) == found.row
    del store
    gc.collect()
    assert list((tmp_path / "rows").iterdir()) == []


def test_two_processes_may_write_one_store(tmp_path: Path) -> None:
    found = row_from_record(Record("f:1", pairs(1)[0]), shape="prompt_completion", template=None, source="s")
    assert not isinstance(found, Reject)

    def while_another_writes() -> Any:
        yield part_of([found])
        keep_rows([part_of([found])], source="s", folder=tmp_path / "rows", key="k")

    assert keep_rows(while_another_writes(), source="s", folder=tmp_path / "rows", key="k").read(0) == found.row
    assert [store.name for store in (tmp_path / "rows").iterdir()] == ["k"]


def test_stores_that_nobody_used_for_a_month_go_when_another_is_written(tmp_path: Path) -> None:
    for name in ("old", "used", "new"):
        write(tmp_path / f"{name}.jsonl", [*pairs(2), {"question": name, "answer": "a"}])
    load(tmp_path / "old.jsonl")
    (old,) = (cache_folder() / "rows").iterdir()
    load(tmp_path / "used.jsonl")
    for store in (cache_folder() / "rows").iterdir():
        os.utime(store, (0, 0))
    load(tmp_path / "used.jsonl")
    load(tmp_path / "new.jsonl")
    left = list((cache_folder() / "rows").iterdir())
    assert len(left) == 2
    assert old not in left


def row(number: int, prompt: str) -> Row:
    return Row(f"r{number}", "s", (Message("user", prompt), Message("assistant", f"a{number}", trained=True)))


def test_rows_of_several_stores_are_one_sequence(tmp_path: Path) -> None:
    stored = load(write(tmp_path / "a.jsonl", pairs(5))).rows
    memory = as_rows([row(n, f"m{n}") for n in range(4)])
    both = Rows.joined([stored, memory, Rows()])
    asked = [r.messages[0].content for r in both]
    assert asked == ["q0", "q1", "q2", "q3", "q4", "m0", "m1", "m2", "m3"]
    some = both.select(np.array([1, 4, 5, 8]))
    assert [r.messages[0].content for r in some] == ["q1", "q4", "m0", "m3"]
    assert some.select(np.array([False, True, True, False])) == both[4:6]
    assert both.among(some) == some
    assert some.among(stored) == both.select(np.array([1, 4]))
    assert np.flatnonzero(both.asking([prompt_key([Message("user", "M3")])])).tolist() == [8]
    assert len({both.fingerprint, some.fingerprint, stored.fingerprint, memory.fingerprint}) == 4
    assert both != both[:-1]


def test_a_sample_depends_on_the_content_alone(tmp_path: Path) -> None:
    one = load(write(tmp_path / "a.jsonl", pairs(1000))).rows
    other = load(write(tmp_path / "b.jsonl", pairs(1000)[::-1])).rows
    chosen = [{rows[int(number)].id for number in rows.sample(100)} for rows in (one, other)]
    assert chosen[0] == chosen[1]
    assert len(chosen[0]) == 100
    assert one.sample(1000).tolist() == list(range(1000))
    assert 350 < np.median(one.sample(100)) < 650


def test_rows_on_the_disk_are_held_out_as_rows_in_memory_are(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", pairs(600))
    memory = in_memory(pairs(600), "prompt_completion", path)
    settings = HeldOutTask(type="held_out", percent=30, max_items=50)
    on_disk, there = held_out_split(load(path).rows, settings), held_out_split(memory, settings)
    assert len(on_disk.held_out) == 50
    assert on_disk.held_out == there.held_out
    assert on_disk.train == there.train
