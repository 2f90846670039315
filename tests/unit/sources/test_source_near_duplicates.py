"""Rows that are nearly the same: found by the pieces of their texts, counted, left out where that is asked for."""

from __future__ import annotations

import json
import random
import re
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from forgetless.recipe import SourceSettings
from forgetless.records import Message, Row, ToolCall
from forgetless.sources import SPACELESS, LoadedSource, load_source
from forgetless.sources.near_duplicates import near_duplicates, smallest_hashes

ENGLISH = "The old clock on the wall of the station struck nine, and nobody on the platform looked up from the paper."
CHINESE = "请帮我把下面这段话翻译成英文，并且尽量保持原来的语气和风格，不要遗漏任何细节，谢谢。"


def asked(prompt: str, answer: str = "yes") -> Row:
    return Row(prompt, "s", (Message("user", prompt), Message("assistant", answer, trained=True)))


def alike(*rows: Row) -> list[int]:
    return near_duplicates(rows, count=len(rows)).tolist()


@pytest.mark.parametrize(
    ("before", "again"),
    [
        (ENGLISH, ENGLISH.replace("nine", "ten")),
        (ENGLISH, ENGLISH.upper().replace(" ", "  ")),
        (CHINESE, CHINESE.replace("谢谢", "多谢")),
        (CHINESE, CHINESE.replace("，", ", ")),
        ("ｆｕｌｌ width？", "full width?"),
    ],
)
def test_a_word_or_the_width_of_a_character_makes_no_other_row(before: str, again: str) -> None:
    assert alike(asked(before), asked("Something else."), asked(again)) == [-1, -1, 0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (asked(ENGLISH, "positive"), asked(ENGLISH, "negative")),
        (asked("What is 17 + 4?", "21"), asked("What is 17 + 5?", "22")),
        (asked(ENGLISH, "111"), asked(ENGLISH, "1111")),
        (asked(ENGLISH), asked(CHINESE)),
        (asked("我的书在这里。"), asked("这是我的猫。")),
        (Row("a", "s", text=ENGLISH), asked(ENGLISH)),
    ],
)
def test_another_answer_or_question_is_another_row(one: Row, other: Row) -> None:
    assert alike(one, other) == [-1, -1]


def test_raw_texts_and_calls_are_compared_too() -> None:
    assert alike(Row("a", "s", text=CHINESE), Row("b", "s", text=CHINESE + "！")) == [-1, 0]

    def calling(text: str) -> Row:
        call = ToolCall("translate", json.dumps({"text": text}, ensure_ascii=False))
        return Row(text, "s", (Message("user", ENGLISH), Message("assistant", "", trained=True, tool_calls=(call,))))

    assert alike(calling(ENGLISH), calling(ENGLISH + "!")) == [-1, 0]
    assert alike(calling(ENGLISH), calling(CHINESE)) == [-1, -1]
    assert alike() == []


def pieces(text: str) -> set[str]:
    text = f"  {' '.join(text.casefold().split())}  "
    lengths = [2 if re.match(f"[{SPACELESS}]", character) else 4 for character in text]
    return {text[i : i + lengths[i]] for i in range(len(text) - 3)}


def share_in_common(one: str, other: str) -> float:
    """The slow way: Jaccard's index of sets of pieces."""
    return len(pieces(one) & pieces(other)) / len(pieces(one) | pieces(other))


def test_the_smallest_hashes_of_a_text_do_not_depend_on_its_neighbours() -> None:
    texts = [ENGLISH, "", CHINESE, "a", "猫", ENGLISH * 30]
    together = smallest_hashes(texts)
    assert all(np.array_equal(together[i], smallest_hashes([text])[0]) for i, text in enumerate(texts))
    equal = np.mean(together[0] == smallest_hashes([ENGLISH.replace("nine", "ten")])[0])
    assert equal == pytest.approx(share_in_common(ENGLISH, ENGLISH.replace("nine", "ten")), abs=0.1)
    equal = np.mean(together[2] == smallest_hashes([CHINESE.replace("谢谢", "多谢")])[0])
    assert equal == pytest.approx(share_in_common(CHINESE, CHINESE.replace("谢谢", "多谢")), abs=0.1)


def test_what_is_found_is_what_the_sets_of_pieces_say() -> None:
    rng = random.Random(5)
    words = [f"{rng.choice('bdfgklmnprst')}{rng.choice('aeiou')}{rng.choice('bdgklmnrst')}{n}" for n in range(400)]
    texts = []
    for _ in range(150):
        text = rng.choices(words, k=40)
        texts += [" ".join(text), " ".join(w if rng.random() > 0.04 else rng.choice(words) for w in text)]
    found = alike(*map(asked, texts))
    shares = [share_in_common(texts[n], texts[n + 1]) for n in range(0, len(texts), 2)]
    pairs = list(zip(shares, found[1::2], strict=True))
    assert found[::2] == [-1] * 150
    assert all(before >= 0 for share, before in pairs if share >= 0.9)
    assert all(before < 0 for share, before in pairs if share <= 0.7)
    assert {before >= 0 for _, before in pairs} == {True, False}


def load(folder: Path, prompts: list[str], **settings: object) -> LoadedSource:
    lines = (json.dumps({"prompt": prompt, "completion": "yes"}) + "\n" for prompt in prompts)
    (folder / "rows.jsonl").write_text("".join(lines))
    chosen = {"kind": "domain", "files": ["rows.jsonl"], "share": 1.0, **settings}
    return load_source("s", SourceSettings.model_validate(chosen), kind="domain", folder=folder, field="sources.s")


PROMPTS = [ENGLISH, "Is it cold?", ENGLISH + " Yes.", "Is it warm in Rome?", ENGLISH + " Yes.", ENGLISH + " No."]


def test_they_are_counted_and_said_aloud(tmp_path: Path) -> None:
    source = load(tmp_path, PROMPTS)
    assert (len(source.rows), source.duplicates, source.near_duplicates) == (5, 1, 2)
    assert "2 rows nearly the same as an earlier one (rows.jsonl:3 as rows.jsonl:1)" in source.describe()
    assert "nearly" not in load(tmp_path, PROMPTS[:2]).describe()


def test_they_are_left_out_where_the_recipe_says_so(tmp_path: Path) -> None:
    source = load(tmp_path, PROMPTS, near_duplicates="drop")
    assert [row.messages[0].content for row in source.rows] == [PROMPTS[0], PROMPTS[1], PROMPTS[3]]
    assert (source.near_duplicates, source.duplicates, source.beyond_limit) == (2, 3, 0)
    assert "3 duplicates left out, 2 of these nearly the same as an earlier one" in source.describe()
    limited = load(tmp_path, PROMPTS, near_duplicates="drop", max_rows=2)
    assert (len(limited.rows), limited.near_duplicates, limited.beyond_limit) == (2, 2, 1)


def test_texts_of_any_length_are_compared_in_little_memory() -> None:
    book = "".join(f"{n} " for n in range(400_000))
    tracemalloc.start()
    assert alike(*(Row(str(n), "s", text=f"{book}{n}") for n in range(4))) == [-1, 0, 0, 0]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 400e6


def test_thousands_of_rows_of_one_form_take_seconds() -> None:
    rows = [asked(f"What is {n} + {7 * n % 1000}? Say the number and nothing else.", str(n)) for n in range(3000)]
    started = time.process_time()
    found = near_duplicates(rows, count=len(rows))
    assert time.process_time() - started < 5
    assert np.all(found < 0)
