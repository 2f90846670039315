"""Compressed files are read as if they were not compressed."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pytest

from forgetless.errors import DataError
from forgetless.sources import detect_format, read_records

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: pyarrow.compress(data, codec="zstd", asbytes=True),
}
TEXTS = {
    ".jsonl": '{"text": "ä中"}\n{"text": "b"}\n',
    ".json": '[{"text": "ä中"}, {"text": "b"}]',
    ".csv": "text\nä中\nb\n",
    ".tsv": "text\tn\nä中\t1\nb\t2\n",
    ".txt": "ä中\n\nb\n",
}


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("kind", TEXTS)
def test_every_text_format_is_read_compressed(tmp_path: Path, kind: str, suffix: str) -> None:
    path = tmp_path / f"a{kind}{suffix}"
    path.write_bytes(COMPRESS[suffix](TEXTS[kind].encode()))
    assert [record.fields["text"] for record in read_records(path)] == ["ä中", "b"]  # type: ignore[union-attr]


@pytest.mark.parametrize("suffix", COMPRESS)
def test_files_that_were_compressed_in_pieces_are_read_to_the_end(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.jsonl{suffix}"
    path.write_bytes(b"".join(COMPRESS[suffix](b'{"text": "a"}\n' * 10) for _ in range(3)))
    assert len(list(read_records(path))) == 30


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("spoil", [lambda data: data[:-9], lambda data: b"this is plain text"])
def test_a_broken_archive_is_refused_by_name(tmp_path: Path, suffix: str, spoil: Callable[[bytes], bytes]) -> None:
    path = tmp_path / f"a.jsonl{suffix}"
    path.write_bytes(spoil(COMPRESS[suffix](b'{"text": "a"}\n' * 1000)))
    with pytest.raises(DataError, match="decompressed") as caught:
        list(read_records(path))
    assert caught.value.field == str(path)


def test_an_archive_of_files_is_no_compressed_file(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match="is not read"):
        detect_format(tmp_path / "a.zip")
