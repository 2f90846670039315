"""Parquet: rows with their numbers, values of every kind, broken files."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from forgetless.errors import DataError
from forgetless.recipe import FileSettings
from forgetless.sources import LoadedSource, Record, load_source, read_records


def write(path: Path, rows: list[dict[str, Any]], **options: Any) -> Path:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path, **options)
    return path


def load(folder: Path, **settings: Any) -> LoadedSource:
    return load_source("s", FileSettings(**settings), kind="domain", folder=folder, field="sources.s")


def test_rows_come_in_order_with_their_numbers(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", [{"text": f"t{n}"} for n in range(3000)], row_group_size=1000)
    records = [record for record in read_records(path) if isinstance(record, Record)]
    assert [record.fields["text"] for record in records] == [f"t{n}" for n in range(3000)]
    assert (records[0].origin, records[-1].origin) == (f"{path}:1", f"{path}:3000")


def test_conversations_in_nested_columns_are_rows(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "q", "weight": None}, {"role": "assistant", "content": "a", "weight": 1}]
    write(tmp_path / "a.parquet", [{"messages": turns, "id": 1}, {"messages": None, "id": 2}])
    source = load(tmp_path, files=["a.parquet"], max_rejected_percent=50)
    assert [(m.role, m.content, m.trained) for m in source.rows[0].messages] == [
        ("user", "q", False),
        ("assistant", "a", True),
    ]
    assert source.rejects[0].origin.endswith("a.parquet:2")
    assert source.describe().startswith("s: Parquet with columns messages, id, read as messages rows: 1 row, 1 reject")


def test_dates_and_decimals_are_text_and_bytes_are_not(tmp_path: Path) -> None:
    fields = {"day": datetime.date(2026, 1, 2), "price": Decimal("1.50"), "raw": b"x"}
    write(tmp_path / "a.parquet", [fields])
    template = {"prompt": "{day}", "completion": "{price}"}
    [row] = load(tmp_path, files=["a.parquet"], template=template).rows
    assert [message.content for message in row.messages] == ["2026-01-02", "1.50"]
    with pytest.raises(DataError, match="`raw` is bytes, not text"):
        load(tmp_path, files=["a.parquet"], template=template | {"prompt": "{raw}"})


def test_a_broken_file_is_refused_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", [{"text": "t"}] * 100)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="cannot be read as Parquet") as caught:
        list(read_records(path))
    assert caught.value.field == str(path)


def test_names_of_columns_are_not_for_parquet(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="names the columns of a CSV file"):
        list(read_records(write(tmp_path / "a.parquet", [{"text": "t"}]), columns=["text"]))
