"""What holds for any template, any text and any file."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from forgetless.records import Message
from forgetless.sources import Record, columns_used, fill, prompt_key, read_records

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
names = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="{}"), min_size=1, max_size=8)
literals = st.text(st.sampled_from('{}":,[] \n1'), max_size=12)
# A text file with zero bytes is refused: it is no text, or in an encoding that nobody named.
lines = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), min_size=1, max_size=20)


@settings(max_examples=80, deadline=None)
@given(fields=st.dictionaries(names, texts, min_size=1, max_size=4), data=st.data())
def test_fill_puts_each_value_where_its_name_stands_and_touches_nothing_else(
    fields: dict[str, str], data: st.DataObject
) -> None:
    # No name can be built from the characters of the literals, so what is to come out is known in advance.
    fields = {f"c{name}": value for name, value in fields.items()}
    parts = data.draw(st.lists(st.one_of(literals, st.sampled_from(sorted(fields)).map(lambda n: (n,))), max_size=8))
    template = "".join("{" + part[0] + "}" if isinstance(part, tuple) else part for part in parts)
    expected = "".join(fields[part[0]] if isinstance(part, tuple) else part for part in parts)
    assert fill(template, fields, field="t") == expected
    used = dict.fromkeys(part[0] for part in parts if isinstance(part, tuple))
    assert columns_used(template, fields, field="t") == tuple(used)


@settings(max_examples=50, deadline=None)
@given(template=literals, value=texts)
def test_a_template_without_names_is_itself(template: str, value: str) -> None:
    assert fill(template, {"a": value}, field="t") == template


@settings(max_examples=50, deadline=None)
@given(text=texts, spaces=st.text(st.sampled_from(" \t\n"), max_size=3))
def test_spacing_around_a_prompt_does_not_change_its_key(text: str, spaces: str) -> None:
    assert prompt_key([Message("user", text)]) == prompt_key([Message("user", spaces + text + spaces)])


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.fixed_dictionaries({"a": texts, "b": texts}), min_size=1, max_size=8), indent=st.booleans())
def test_json_and_jsonl_hold_the_same_records(rows: list[dict[str, str]], indent: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lines_of, whole, wrapped = (Path(folder) / name for name in ("a.jsonl", "a.json", "b.json"))
        lines_of.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8", newline="")
        whole.write_text(json.dumps(rows, indent=2 if indent else None), "utf-8")
        wrapped.write_text(json.dumps({"v": 1, "data": rows, "w": {}}, indent=2 if indent else None), "utf-8")
        for path in (lines_of, whole, wrapped):
            records = list(read_records(path))
            assert [record.fields for record in records if isinstance(record, Record)] == rows
            assert len(records) == len(rows)


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.tuples(texts, texts), min_size=1, max_size=8))
def test_csv_that_python_wrote_is_read_back(rows: list[tuple[str, str]]) -> None:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, quoting=csv.QUOTE_ALL).writerows([("text", "label"), *rows])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        path.write_text(buffer.getvalue(), "utf-8", newline="")
        records = [record.fields for record in read_records(path) if isinstance(record, Record)]
    # A line of empty cells is a blank line.
    assert [(fields["text"], fields["label"]) for fields in records] == [row for row in rows if "".join(row).strip()]


@settings(max_examples=50, deadline=None)
@given(
    paragraphs=st.lists(st.lists(lines.filter(str.strip), min_size=1, max_size=3), min_size=1, max_size=5),
    gap=st.integers(1, 3),
)
def test_paragraphs_are_read_back_in_order(paragraphs: list[list[str]], gap: int) -> None:
    written = ["\n".join(paragraph) for paragraph in paragraphs]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.txt"
        path.write_text(("\n" + "\n" * gap).join(written), "utf-8", newline="")
        read = [record.fields["text"] for record in read_records(path) if isinstance(record, Record)]
    assert read == [text.removeprefix("\ufeff") if index == 0 else text for index, text in enumerate(written)]
