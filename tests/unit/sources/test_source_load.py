"""Whole sources: what is found, what is left out, and that all of it is said."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from forgetless.errors import DataError
from forgetless.recipe import FileSettings, SourceSettings
from forgetless.records import StreamKind
from forgetless.sources import LoadedSource, load_source, reject_line

INTENT = {"prompt": "{text}", "completion": '{"intent": "{category}"}'}


def load(folder: Path, *, kind: StreamKind = "domain", name: str = "banking", **settings: Any) -> LoadedSource:
    return load_source(name, FileSettings(**settings), kind=kind, folder=folder, field=f"sources.{name}")


def jsonl(path: Path, records: list[Any]) -> None:
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records), encoding="utf-8")


def pairs(n: int) -> list[dict[str, str]]:
    return [{"question": f"q{i}", "answer": f"a{i}"} for i in range(n)]


def test_a_csv_with_a_template_is_read_and_described(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,category\nhi,x\nhi,x\nho,x\n", encoding="utf-8")
    source = load(tmp_path, files=["a.csv"], template=INTENT)
    assert source.describe() == (
        "banking: CSV with columns text, category, read as template rows: 2 rows, 0 rejected, 1 duplicate left out"
    )
    assert (source.shape, source.file_format, source.kind) == ("template", "csv", "domain")
    assert source.rows[0].messages[1].content == '{"intent": "x"}'
    assert [row.origin.rsplit(":", 1)[1] for row in source.rows] == ["2", "4"]


def test_columns_that_no_row_holds_are_said_aloud(tmp_path: Path) -> None:
    jsonl(tmp_path / "a.jsonl", [{"question": "q", "answer": "a", "level": 3}])
    source = load(tmp_path, files=["a.jsonl"])
    assert source.unread == ("level",)
    assert "columns not read: level" in source.describe()


def test_a_template_reads_its_columns_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,category,id\nhi,x,1\n", encoding="utf-8")
    assert load(tmp_path, files=["a.csv"], template=INTENT).unread == ("id",)


def test_a_text_and_a_label_are_not_guessed_at(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,category\nhi,x\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"template:.*or set `shape: text`") as caught:
        load(tmp_path, files=["a.csv"])
    assert caught.value.field == "sources.banking.shape"
    assert load(tmp_path, files=["a.csv"], shape="text").rows[0].text == "hi"


def test_a_template_over_a_column_that_is_not_there_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,category\nhi,x\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"`text`, `category`\n.*did you mean `{category}`") as caught:
        load(tmp_path, files=["a.csv"], template={"prompt": "{text}", "completion": "{categorie}"})
    assert caught.value.field == "sources.banking.template.completion"


def test_a_record_without_a_column_of_the_template_is_rejected_whatever_its_name(tmp_path: Path) -> None:
    records = [{"Question text": f"q{i}", "a": "x"} for i in range(9)]
    jsonl(tmp_path / "a.jsonl", [*records, {"a": "x"}])
    template = {"prompt": "{Question text}", "completion": "{a}"}
    source = load(tmp_path, files=["a.jsonl"], template=template, max_rejected_percent=10)
    assert len(source.rows) == 9
    assert [reject.reason for reject in source.rejects] == ["`Question text` is null, not text"]


def test_rejects_are_counted_shown_and_written(tmp_path: Path) -> None:
    jsonl(tmp_path / "a.jsonl", [*pairs(98), "{broken", {"question": "q", "answer": ""}])
    source = load(tmp_path, files=["a.jsonl"], max_rejected_percent=2)
    assert (len(source.rows), len(source.rejects)) == (98, 2)
    assert "98 rows, 2 rejected" in source.describe()
    assert json.loads(reject_line("banking", source.rejects[1])) == {
        "source": "banking", "origin": f"{tmp_path / 'a.jsonl'}:100", "reason": "the answer is empty",
        "preview": '{"question": "q", "answer": ""}',
    }  # fmt: skip


def test_past_the_allowed_share_the_first_three_rejects_are_shown(tmp_path: Path) -> None:
    jsonl(tmp_path / "a.jsonl", [*pairs(96), *["{broken"] * 4])
    assert load(tmp_path, files=["a.jsonl"], max_rejected_percent=4).rejects
    with pytest.raises(DataError, match=r"4 of 100 records rejected \(4 %\)") as caught:
        load(tmp_path, files=["a.jsonl"], max_rejected_percent=3.9)
    assert [f"a.jsonl:{n}:" in str(caught.value) for n in (97, 98, 99, 100)] == [True, True, True, False]
    assert "max_rejected_percent" in caught.value.way_out


@pytest.mark.parametrize("content", ["\n\n", "{broken\n", '{"question": "q", "answer": ""}\n'])
def test_a_source_without_rows_is_refused_even_if_all_may_be_rejected(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.jsonl").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match="no record"):
        load(tmp_path, files=["a.jsonl"], max_rejected_percent=100)


def test_the_shape_is_that_of_most_records_at_the_head(tmp_path: Path) -> None:
    jsonl(tmp_path / "a.jsonl", ["{broken", {"note": "a header"}, *pairs(98)])
    source = load(tmp_path, files=["a.jsonl"], max_rejected_percent=2)
    assert source.shape == "prompt_completion"
    assert [reject.reason.split()[0] for reject in source.rejects] == ["broken", "has"]


def test_several_files_of_several_formats_are_one_source(tmp_path: Path) -> None:
    jsonl(tmp_path / "a.jsonl", pairs(2))
    (tmp_path / "b.json").write_text(json.dumps([{"question": "q9", "answer": "a"}, pairs(2)[0]]), encoding="utf-8")
    source = load(tmp_path, files=["a.jsonl", "b.json"])
    assert [row.messages[0].content for row in source.rows] == ["q0", "q1", "q9"]
    assert (source.duplicates, source.file_format) == (1, "jsonl, json")
    assert "JSONL and JSON from 2 files (a.jsonl, b.json) with columns" in source.describe()


def test_the_order_of_many_files_is_said_aloud(tmp_path: Path) -> None:
    for n in range(7):
        jsonl(tmp_path / f"part-{n}.jsonl", [{"question": f"q{n}", "answer": "a"}])
    source = load(tmp_path, files=["part-6.jsonl", "part-*.jsonl"])
    assert [row.messages[0].content for row in source.rows] == ["q6", "q0", "q1", "q2", "q3", "q4", "q5"]
    shown = "part-6.jsonl, part-0.jsonl, part-1.jsonl, part-2.jsonl, ..., part-5.jsonl"
    assert f"JSONL from 7 files ({shown}) with columns" in source.describe()


def test_an_encoding_other_than_utf8_is_said_aloud(tmp_path: Path) -> None:
    text = "text,category\n您好，我的银行卡还没有收到，请问大概需要多长时间才能送到家里？,配送\n"
    (tmp_path / "a.csv").write_bytes(text.encode("gb18030"))
    (tmp_path / "b.csv").write_text("text,category\nhi,x\n", encoding="utf-8")
    source = load(tmp_path, files=["a.csv", "b.csv"], template=INTENT)
    assert source.rows[0].messages[1].content == '{"intent": "配送"}'
    assert ", encoded in gb18030 and utf-8, read as" in source.describe()
    assert "encoded" not in load(tmp_path, files=["b.csv"], template=INTENT).describe()


def test_a_csv_without_a_header_is_named_by_columns(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("hi,x\nho,y\n", encoding="utf-8")
    source = load(tmp_path, files=["a.csv"], columns=["text", "category"], template=INTENT)
    assert [row.messages[0].content for row in source.rows] == ["hi", "ho"]


def test_a_sample_is_all_that_is_held_in_memory(tmp_path: Path) -> None:
    jsonl(tmp_path / "a.jsonl", [{"question": f"{i:04}" * 2500, "answer": "a"} for i in range(1500)])
    tracemalloc.start()
    source = load(tmp_path, files=["a.jsonl"], max_rows=10)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (len(source.rows), source.beyond_limit) == (10, 1490)
    assert peak < (tmp_path / "a.jsonl").stat().st_size / 3


def test_a_text_file_is_read_as_paragraphs(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n\ntwo\n\none\n", encoding="utf-8")
    source = load(tmp_path, files=["a.txt"], kind="text")
    assert [row.text for row in source.rows] == ["one", "two"]
    assert source.describe() == "banking: text, read as text rows: 2 rows, 0 rejected, 1 duplicate left out"


def source_of_kind(folder: Path, kind: StreamKind, **settings: Any) -> LoadedSource:
    said = SourceSettings(kind=kind, share=1.0, **settings)
    return load_source("s", said, kind=kind, folder=folder, field="sources.s")


def test_a_kind_that_the_records_are_not_is_refused(tmp_path: Path) -> None:
    """Every token of raw text carries loss, of a conversation the answers: the recipe would claim the wrong one."""
    (tmp_path / "a.txt").write_text("one\n\ntwo\n", encoding="utf-8")
    jsonl(tmp_path / "a.jsonl", pairs(3))
    with pytest.raises(DataError, match=r"raw text.*read as conversations[^$]*`kind: general`") as caught:
        source_of_kind(tmp_path, "text", files=["a.jsonl"])
    assert caught.value.field == "sources.s.kind"
    with pytest.raises(DataError, match=r"for conversations.*read as raw text[^$]*`kind: text`"):
        source_of_kind(tmp_path, "general", files=["a.txt"])


@pytest.mark.parametrize(
    ("kind", "file"), [("text", "a.txt"), ("general", "a.jsonl"), ("domain", "a.txt"), ("domain", "a.jsonl")]
)
def test_a_domain_may_be_raw_text_or_conversations(tmp_path: Path, kind: StreamKind, file: str) -> None:
    (tmp_path / "a.txt").write_text("one\n\ntwo\n", encoding="utf-8")
    jsonl(tmp_path / "a.jsonl", pairs(2))
    assert len(source_of_kind(tmp_path, kind, files=[file]).rows) == 2


def test_a_limit_takes_a_stable_sample_from_the_whole_file(tmp_path: Path) -> None:
    jsonl(tmp_path / "a.jsonl", pairs(1000))
    jsonl(tmp_path / "b.jsonl", pairs(1000)[::-1])
    one, other = (load(tmp_path, files=[name], max_rows=100) for name in ("a.jsonl", "b.jsonl"))
    assert len(one.rows) == 100
    assert {row.id for row in one.rows} == {row.id for row in other.rows}
    numbers = [int(row.messages[0].content[1:]) for row in one.rows]
    assert numbers == sorted(numbers)
    assert max(numbers) > 900
    assert "900 left out by `max_rows`" in one.describe()
    assert len(load(tmp_path, files=["a.jsonl"], max_rows=1001).rows) == 1000


def test_a_replay_source_is_read_for_its_prompts(tmp_path: Path) -> None:
    jsonl(tmp_path / "a.jsonl", [{"prompt": "p", "key": 1}, {"prompt": "q", "key": 2}])
    source = load(tmp_path, files=["a.jsonl"], kind="replay")
    assert [[(m.role, m.content) for m in row.messages] for row in source.rows] == [[("user", "p")], [("user", "q")]]
    with pytest.raises(DataError, match="do not say how"):
        load(tmp_path, files=["a.jsonl"], kind="general")


def test_a_template_for_prompts_needs_no_column_for_the_answer(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\nhi\n", encoding="utf-8")
    source = load(tmp_path, files=["a.csv"], kind="replay", template={"prompt": "{text}"})
    assert [m.content for m in source.rows[0].messages] == ["hi"]
    assert source.unread == ()


def test_reading_twice_gives_the_same_source(tmp_path: Path) -> None:
    jsonl(tmp_path / "a.jsonl", [*pairs(200), "{"])
    assert load(tmp_path, files=["a.jsonl"]) == load(tmp_path, files=["a.jsonl"])
