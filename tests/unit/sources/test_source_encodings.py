"""Encodings: told where the bytes leave no doubt, asked for where they do."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from forgetless.errors import DataError
from forgetless.sources import read_records
from forgetless.sources.encodings import detect_encoding

CHINESE = "您好，我的银行卡还没有收到，请问大概需要多长时间才能送到家里？如果地址不对，我应该怎么修改？谢谢。"
JAPANESE = (
    "こんにちは。カードがまだ届いていません。家に届くまで何日くらいかかりますか。住所の変更方法も教えてください。"
)
OTHERS = {
    "big5": "您好，我的銀行卡還沒有收到，請問大概需要多長時間才能送到家裡？如果地址不對，我應該怎麼修改？",
    "euc_kr": "안녕하세요. 카드가 아직 도착하지 않았습니다. 집까지 보통 며칠이 걸리는지 알려 주세요.",
    "euc_jp": JAPANESE,
    "shift_jis": JAPANESE,
    "cp1252": "Où est ma carte ? Elle n'est pas encore arrivée à la maison, et l'été s'achève déjà.",
    "cp1251": "Здравствуйте, моя карта ещё не пришла. Сколько дней она идёт и как изменить адрес?",
}


def write(path: Path, data: str | bytes) -> Path:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"plain", "utf-8"),
        (CHINESE.encode(), "utf-8"),
        (CHINESE.encode("utf-8-sig"), "utf-8"),
        (CHINESE.encode("utf-16"), "utf-16"),
        (codecs.BOM_UTF16_BE + CHINESE.encode("utf-16-be"), "utf-16"),
        (CHINESE.encode("utf-32"), "utf-32"),
        (CHINESE.encode("gb18030"), "gb18030"),
        (CHINESE.encode("gbk"), "gb18030"),
        (("ok\n" * 400_000 + CHINESE).encode("gb18030"), "gb18030"),
        (b"a stray \0 in a text that is otherwise fine", "utf-8"),
    ],
)
def test_an_encoding_beyond_doubt_is_told(tmp_path: Path, data: bytes, encoding: str) -> None:
    assert detect_encoding(write(tmp_path / "a.txt", data)) == encoding


@pytest.mark.parametrize("encoding", OTHERS)
def test_any_other_encoding_is_asked_for_and_never_read_as_something_else(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path / "a.txt", OTHERS[encoding].encode(encoding))
    with pytest.raises(DataError, match="no other encoding is certain") as caught:
        list(read_records(path))
    assert encoding in caught.value.way_out
    [record] = read_records(path, encoding=encoding)
    assert record.fields == {"text": OTHERS[encoding]}  # type: ignore[union-attr]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_its_mark_is_asked_for(tmp_path: Path, encoding: str) -> None:
    for text in ("Hello there,\nhow are you?\n", CHINESE + "\n"):
        with pytest.raises(DataError) as caught:
            detect_encoding(write(tmp_path / "a.txt", text.encode(encoding)))
        assert encoding in caught.value.way_out


def test_bytes_that_are_no_text_name_no_encoding(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        detect_encoding(write(tmp_path / "a.txt", b"caf\xe9 \xff\x98 \x81\x8d " * 3 + b"\x81"))
    assert "check that this is a text file" in caught.value.way_out


def test_a_few_chinese_words_are_too_few_to_tell(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        detect_encoding(write(tmp_path / "a.txt", "张三，李四".encode("gb18030")))
    assert "encoding: gb18030" in caught.value.way_out


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


@pytest.mark.parametrize(("data", "guess"), [(b"caf\xe9\n", "cp1252"), ("中".encode("gb18030"), "gb18030")])
def test_the_encoding_that_would_read_the_file_is_named(tmp_path: Path, data: bytes, guess: str) -> None:
    with pytest.raises(DataError) as caught:
        list(read_records(write(tmp_path / "a.txt", data)))
    assert f"encoding: {guess}" in caught.value.way_out


@pytest.mark.parametrize("name", ["utf-7000", "hex"])
def test_an_unknown_encoding_is_refused_as_such(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="not a text encoding"):
        list(read_records(write(tmp_path / "a.txt", "a"), encoding=name))


def test_a_stated_encoding_that_is_wrong_is_refused_too(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", CHINESE.encode("utf-16"))
    with pytest.raises(DataError, match="the bytes are not `utf-8` text") as caught:
        list(read_records(path, encoding="utf-8"))
    assert "encoding: utf-16" in caught.value.way_out


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
