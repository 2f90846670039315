"""Formats: what each reader makes of good and broken files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from forgetless.errors import DataError
from forgetless.sources import Record, Reject, detect_format, read_records


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="")
    return path


def lines_of(results: list[Record | Reject]) -> list[int]:
    return [int(result.origin.rsplit(":", 1)[1]) for result in results]


def test_a_broken_line_is_a_reject_with_its_line_and_reading_goes_on(tmp_path: Path) -> None:
    good = [json.dumps({"text": str(n)}) for n in range(1, 45_001)]
    good[39_999] = '{"text": "cut o'
    results = list(read_records(write(tmp_path / "a.jsonl", "\n".join(good))))
    rejects = [result for result in results if isinstance(result, Reject)]
    assert len(results) == 45_000
    assert [reject.origin for reject in rejects] == [f"{tmp_path / 'a.jsonl'}:40000"]
    assert "broken JSON at column 10" in rejects[0].reason
    assert rejects[0].preview == '{"text": "cut o'


def test_lines_of_json_are_ended_by_newlines_only(tmp_path: Path) -> None:
    text = '{"text": "a\u2028b\u0085c"}\r\n\n{"text": "d"}\n'
    results = list(read_records(write(tmp_path / "a.jsonl", text)))
    assert [r.fields["text"] for r in results if isinstance(r, Record)] == ["a\u2028b\u0085c", "d"]
    assert lines_of(results) == [1, 3]


@pytest.mark.parametrize("line", ["[1, 2]", '"text"', "null", "[" * 100_000, "1" * 5000])
def test_a_line_that_is_no_object_is_a_reject(tmp_path: Path, line: str) -> None:
    results = list(read_records(write(tmp_path / "a.jsonl", line + '\n{"text": "a"}\n')))
    assert [type(result) for result in results] == [Reject, Record]


def test_a_json_list_knows_the_line_of_each_element(tmp_path: Path) -> None:
    text = '\n[\n  {"a": [1,\n 2]}, {"a": "]"},\n\n  7,\n  {"a": "\\n"}\n]\n'
    results = list(read_records(write(tmp_path / "a.json", text)))
    assert lines_of(results) == [3, 4, 6, 7]
    assert [type(result) for result in results] == [Record, Record, Reject, Record]
    assert [r.fields["a"] for r in results if isinstance(r, Record)] == [[1, 2], "]", "\n"]


def test_one_list_under_a_key_is_read_and_its_lines_are_right(tmp_path: Path) -> None:
    text = '{"version": {"rows": [0]},\n "count" : 2 ,\n "rows" :\n [{"a": 1},\n {"a": 2}], "end": null}'
    results = list(read_records(write(tmp_path / "a.json", text)))
    assert [r.fields for r in results if isinstance(r, Record)] == [{"a": 1}, {"a": 2}]
    assert lines_of(results) == [4, 5]


def test_a_file_that_is_one_conversation_is_one_record(tmp_path: Path) -> None:
    conversation = {"messages": [{"role": "user", "content": "hi"}]}
    [record] = read_records(write(tmp_path / "a.json", json.dumps(conversation, indent=1)))
    assert isinstance(record, Record)
    assert record.fields == conversation


@pytest.mark.parametrize("text", ['{"a": [1], "b": [2]}', '{"a": 1}', "7", "null"])
def test_json_without_one_list_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match="one list of records"):
        list(read_records(write(tmp_path / "a.json", text), file_format="json"))


def test_a_broken_whole_file_is_refused_with_line_and_column(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 3, column 9\n.*broken JSON"):
        list(read_records(write(tmp_path / "a.json", '[\n{"a": 1},\n{"b": 2 "c"}\n]')))


def test_csv_cells_stay_text_and_may_hold_newlines(tmp_path: Path) -> None:
    text = 'text,label\n\n"two\nlines, and a ""quote""",007\nplain,NaN\n'
    results = list(read_records(write(tmp_path / "a.csv", text)))
    fields = [r.fields for r in results if isinstance(r, Record)]
    assert fields == [{"text": 'two\nlines, and a "quote"', "label": "007"}, {"text": "plain", "label": "NaN"}]
    assert lines_of(results) == [3, 5]


def test_csv_without_a_header_is_named_by_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "What is 1 + 1?,1,2,3,4,B\n")
    [record] = read_records(path, columns=["question", "A", "B", "C", "D", "letter"])
    assert isinstance(record, Record)
    assert (record.fields["question"], record.fields["letter"]) == ("What is 1 + 1?", "B")
    assert record.origin.endswith(":1")


def test_columns_are_refused_where_nothing_would_read_them(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="CSV"):
        list(read_records(write(tmp_path / "a.jsonl", "{}"), columns=["a"]))


@pytest.mark.parametrize(("name", "mark"), [("a.tsv", "\t"), ("a.csv", ";"), ("a.csv", "\t"), ("a.csv", ",")])
def test_the_delimiter_is_told_from_the_first_line(tmp_path: Path, name: str, mark: str) -> None:
    [record] = read_records(write(tmp_path / name, f"text{mark}label\nhi; there{mark}x\n".replace("hi; there", "hi")))
    assert isinstance(record, Record)
    assert record.fields == {"text": "hi", "label": "x"}


@pytest.mark.parametrize(
    ("lines", "columns"),
    [
        ('text;"label, long"\nhi, there;x\nho;y\n', None),
        ("text;label\nhi, there;x, y\nho, ho, ho;y\n", None),
        ("hi, there;x\nho, ho;y\n", ["text", "label"]),
        ("hi, you, there\tx\nho; ho\ty\n", ["text", "label"]),
        ("text|label\nhi, there|x\n", None),
        ('"hi, you\tx\nho, you\ty\n', ["text", "label"]),
        ('text,label\n"hi;\n\nthere",x\nho;ho,y\n', None),
    ],
)
def test_a_mark_inside_a_text_is_no_delimiter(tmp_path: Path, lines: str, columns: list[str] | None) -> None:
    records = list(read_records(write(tmp_path / "a.csv", lines), columns=columns))
    assert [len(record.fields) for record in records if isinstance(record, Record)] == [2] * len(records)
    assert len(records) > 0


def test_one_column_may_hold_semicolons(tmp_path: Path) -> None:
    [record] = read_records(write(tmp_path / "a.csv", "one; two\n"), columns=["text"])
    assert isinstance(record, Record)
    assert record.fields == {"text": "one; two"}


def test_between_tabs_a_record_is_one_line_and_quotes_swallow_nothing(tmp_path: Path) -> None:
    lines = ["text\tlabel", '"quoted ""here"""\tx', '"Hi" he said\ty', "", '"never closed\tz', 'a "b\tc', "one"]
    results = list(read_records(write(tmp_path / "a.tsv", "\n".join(lines))))
    assert [tuple(r.fields.values()) for r in results if isinstance(r, Record)] == [
        ('quoted "here"', "x"), ('"Hi" he said', "y"), ('"never closed', "z"), ('a "b', "c"),
    ]  # fmt: skip
    assert lines_of(results) == [2, 3, 5, 6, 7]
    assert "1 fields where 2 columns" in results[-1].reason  # type: ignore[union-attr]


def test_tabs_without_a_header_are_named_by_columns(tmp_path: Path) -> None:
    [record] = read_records(write(tmp_path / "a.tsv", "a\tb\n"), columns=["text", "label"])
    assert record.fields == {"text": "a", "label": "b"}  # type: ignore[union-attr]


def test_records_are_read_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "a"}\n' * 2000 + b"\xff")
    records = read_records(path, encoding="utf-8")
    assert isinstance(next(records), Record)
    with pytest.raises(DataError, match="line 2,001"):
        list(records)


def test_a_line_with_too_many_or_too_few_cells_is_a_reject(tmp_path: Path) -> None:
    results = list(read_records(write(tmp_path / "a.csv", "a,b\n1,2\n1,2,3\n1\n3,4\n")))
    assert [type(r) for r in results] == [Record, Reject, Reject, Record]
    assert "3 fields where 2 columns" in results[1].reason  # type: ignore[union-attr]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_what_a_spreadsheet_leaves_around_a_table_is_passed_over(tmp_path: Path, mark: str) -> None:
    lines = ["", "a|b||", "1|2||", "|||", "3|4", "5|6|||", ' |""| ']
    text = "\r\n".join(lines).replace("|", mark)
    results = list(read_records(write(tmp_path / "a.csv", text)))
    assert [r.fields for r in results if isinstance(r, Record)] == [{"a": n, "b": m} for n, m in ("12", "34", "56")]
    assert lines_of(results) == [3, 5, 6]


def test_text_in_columns_without_a_name_is_no_reason_to_refuse_the_file(tmp_path: Path) -> None:
    [first, second] = read_records(write(tmp_path / "a.csv", ",a,b,\n7,1,2,\n8,3,4,x\n"))
    assert first.fields == {"": "7", "a": "1", "b": "2"}  # type: ignore[union-attr]
    assert {"a": "3", "b": "4"}.items() <= second.fields.items()  # type: ignore[union-attr]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_first_line_that_names_the_delimiter_is_believed(tmp_path: Path, mark: str) -> None:
    text = (
        f"sep={mark}\r\ntext{mark}label\r\none; two, three{mark}x\r\n"
        if mark == "\t"
        else (f'sep={mark}\r\ntext{mark}label\r\n"one; two, three"{mark}x\r\n')
    )
    [record] = read_records(write(tmp_path / "a.csv", text))
    assert record.fields == {"text": "one; two, three", "label": "x"}  # type: ignore[union-attr]
    assert record.origin.endswith(":3")


def test_every_line_that_an_unclosed_quote_swallows_is_counted(tmp_path: Path) -> None:
    text = 'text,label\ngood,x\n"never closed,x\n' + "lost,x\n" * 50
    results = list(read_records(write(tmp_path / "a.csv", text)))
    assert sum(isinstance(r, Record) for r in results) == 1
    assert lines_of(results) == list(range(2, 54))
    assert "begins in line 3" in results[-1].reason  # type: ignore[union-attr]


def test_after_a_broken_quote_reading_goes_on(tmp_path: Path) -> None:
    results = list(read_records(write(tmp_path / "a.csv", 'text,label\n"a" b,x\nc,y\n')))
    assert [type(r) for r in results] == [Reject, Record]


@pytest.mark.parametrize(("header", "rule"), [("a,b,a", "names `a` twice"), ('"a,b', "broken CSV")])
def test_a_header_that_names_no_columns_is_refused(tmp_path: Path, header: str, rule: str) -> None:
    with pytest.raises(DataError, match=rule):
        list(read_records(write(tmp_path / "a.csv", f"{header}\n1,2,3\n")))


def test_a_whole_document_in_a_cell_is_read(tmp_path: Path) -> None:
    long = "x" * 300_000
    [record] = read_records(write(tmp_path / "a.csv", f"text\n{long}\n"))
    assert isinstance(record, Record)
    assert record.fields["text"] == long


def test_paragraphs_come_in_file_order_with_the_line_they_begin_in(tmp_path: Path) -> None:
    results = list(read_records(write(tmp_path / "a.txt", "\n\none\n  two\n \t\nthree\r\n\r\n\r\nfour")))
    assert [r.fields["text"] for r in results if isinstance(r, Record)] == ["one\n  two", "three", "four"]
    assert lines_of(results) == [3, 6, 9]


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.jsonl", "[", "jsonl"),
        ("a.NDJSON", "", "jsonl"),
        ("a.json", '[{"a": 1}]', "json"),
        ("a.json", '{"a": 1}\n{"a": 2}', "jsonl"),
        ("a.json", '{\n"a": [1]}', "json"),
        ("a.json", '{"a": [{}]}\n\n', "json"),
        ("a", '{"a": 1}\n{"a": 2}', "jsonl"),
        ("a.csv", "{}", "csv"),
        ("a.md", "# x", "text"),
        ("a.parquet", "PAR1", "parquet"),
    ],
)
def test_the_format_is_told(tmp_path: Path, name: str, text: str, found: str) -> None:
    assert detect_format(write(tmp_path / name, text)) == found


@pytest.mark.parametrize(
    ("name", "way_out"), [("a.xlsx", "save the sheet as CSV"), ("a.arrow", "write its content"), ("a.zip", "unpack it")]
)
def test_a_file_that_has_to_be_written_otherwise_first_says_how(tmp_path: Path, name: str, way_out: str) -> None:
    with pytest.raises(DataError, match="is not read") as caught:
        detect_format(write(tmp_path / name, "PAR1"))
    assert way_out in caught.value.way_out


def test_an_excel_file_by_another_name_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"PK\x03\x04" + bytes(range(256)))
    with pytest.raises(DataError, match="Excel") as caught:
        list(read_records(tmp_path / "a.csv"))
    assert "save the sheet as CSV" in caught.value.way_out


@pytest.mark.parametrize("name", ["a.weird", "a"])
def test_a_format_that_cannot_be_told_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="`format:` to one of jsonl, json, csv, parquet, text"):
        detect_format(write(tmp_path / name, "PAR1"))
