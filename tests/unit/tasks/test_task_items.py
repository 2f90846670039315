"""Item files to questions."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from forgetless.errors import DataError
from forgetless.recipe import AnswerProbabilityTask, GenerationTask
from forgetless.sources import prompt_key
from forgetless.tasks import Task, build_task

Write = Callable[..., str]
Records = list[dict[str, Any]]


def generation(files: str, **settings: Any) -> GenerationTask:
    settings = {"prompt": "{question}", "answer": "result", **settings}
    return GenerationTask(type="generation", files=[files], **settings)


def test_templates_are_written_over_the_columns(tmp_path: Path, write_jsonl: Write, questions: Records) -> None:
    settings = generation(
        write_jsonl(questions),
        prompt="Q: {question}\n",
        system="You count in {file}.",
        answer='{"n": "{result}"}',
        match="json",
    )
    items = build_task("sums", settings, folder=tmp_path, seed=0).items("test")
    item = next(item for item in items if "+ 10?" in item.messages[1].content)
    assert [(m.role, m.content) for m in item.messages] == [
        ("system", "You count in items."),
        ("user", "Q: What is 10 + 10?"),
    ]
    assert item.target == '{"n": "20"}'
    assert item.group == prompt_key(item.messages)[:16]


def test_the_same_question_falls_on_the_same_part_of_every_task(
    tmp_path: Path, write_jsonl: Write, questions: Records
) -> None:
    """However it is answered and scored: else the guard would steer by questions that certify."""
    file = write_jsonl([record | {"long": f"It is {record['result']}."} for record in questions])
    short = build_task("short", generation(file), folder=tmp_path, seed=0)
    likely = AnswerProbabilityTask(type="answer_probability", files=[file], prompt="{question}", answer="long")
    long = build_task("long", likely, folder=tmp_path, seed=5)

    def asked(task: Task) -> set[str]:
        return {prompt_key(item.messages) for item in task.items("test")}

    assert asked(short) == asked(long)


def test_two_answers_to_one_question_are_one_unit(tmp_path: Path, write_jsonl: Write, questions: Records) -> None:
    twice = [*questions, *({**record, "result": "another"} for record in questions)]
    task = build_task("twice", generation(write_jsonl(twice)), folder=tmp_path, seed=0)
    items = task.items("test")
    assert len({item.group for item in items}) == len(items) / 2


def test_ids_are_of_the_content(tmp_path: Path, write_jsonl: Write, questions: Records) -> None:
    one = build_task("one", generation(write_jsonl(questions)), folder=tmp_path, seed=0)
    moved = [{"note": "new", **record} for record in questions[::-1]]
    two = build_task("two", generation(write_jsonl(moved, "other.jsonl")), folder=tmp_path, seed=0)
    assert one.items("test") == two.items("test")
    assert len({item.id for item in (*one.items("dev"), *one.items("test"))}) == len(questions)


def test_groups_and_subjects_are_columns(tmp_path: Path, write_jsonl: Write, questions: Records) -> None:
    records = [{**record, "passage": i // 3, "topic": "sums"} for i, record in enumerate(questions)]
    task = build_task("t", generation(write_jsonl(records), group="passage", subject="topic"), folder=tmp_path, seed=0)
    items = (*task.items("dev"), *task.items("test"))
    assert {item.group for item in items} == {str(i) for i in range(20)}
    assert {item.subject for item in items} == {"sums"}
    assert not {i.group for i in task.items("dev")} & {i.group for i in task.items("test")}


def test_the_name_of_the_file_is_a_column(tmp_path: Path, write_jsonl: Write, questions: Records) -> None:
    write_jsonl(questions[:30], "algebra.jsonl")
    write_jsonl(questions[30:], "geometry.jsonl")
    task = build_task("t", generation("*.jsonl", subject="file"), folder=tmp_path, seed=0)
    assert {item.subject for item in task.items("test")} == {"algebra", "geometry"}


def test_compressed_files_and_parquet_hold_items_too(tmp_path: Path, questions: Records) -> None:
    half = len(questions) // 2
    text = "".join(json.dumps(record) + "\n" for record in questions[:half])
    (tmp_path / "algebra.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(questions[half:]), tmp_path / "geometry.parquet")
    task = build_task("t", generation("*.*", subject="file"), folder=tmp_path, seed=0)
    items = (*task.items("dev"), *task.items("test"))
    assert len(items) == len(questions)
    assert {item.subject for item in items} == {"algebra", "geometry"}


def test_files_without_a_header_are_read_by_given_names(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("".join(f'"{n}, what?",{n}\n' for n in range(40)))
    settings = generation("t.csv", format="csv", columns=["question", "result"])
    items = build_task("t", settings, folder=tmp_path, seed=0).items("test")
    assert all(item.messages[0].content == f"{item.target}, what?" for item in items)


@pytest.mark.parametrize(
    ("setting", "value"), [("prompt", "{questoin}"), ("answer", "resutl"), ("group", "passage"), ("subject", "topic")]
)
def test_a_missing_column_names_those_that_exist(
    tmp_path: Path, write_jsonl: Write, questions: Records, setting: str, value: str
) -> None:
    settings = generation(write_jsonl(questions), **{setting: value})
    with pytest.raises(DataError, match="`question`") as caught:
        build_task("sums", settings, folder=tmp_path, seed=0)
    assert caught.value.field == f"keep.sums.task.{setting}"
    assert "`result`" in str(caught.value)


def test_a_record_that_cannot_be_read_is_named_and_not_skipped(
    tmp_path: Path, write_jsonl: Write, questions: Records
) -> None:
    name = write_jsonl(questions)
    with (tmp_path / name).open("a") as file:
        file.write('{"question": \n')
    with pytest.raises(DataError, match=r"items\.jsonl:61"):
        build_task("sums", generation(name), folder=tmp_path, seed=0)


@pytest.mark.parametrize(
    ("record", "setting"),
    [
        ({"question": None, "result": "1"}, "prompt"),
        ({"result": "1"}, "prompt"),
        ({"question": "and?", "result": ["1"]}, "answer"),
        ({"question": "and?", "result": "\ud800"}, "answer"),
        ({"question": "and?", "result": "1", "passage": "\ud800"}, "group"),
    ],
)
def test_a_record_that_cannot_be_asked_is_named_by_its_line(
    tmp_path: Path, questions: Records, record: dict[str, Any], setting: str
) -> None:
    records = [*({"passage": "p", **question} for question in questions), {"passage": "p", **record}]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    settings = generation("items.jsonl", answer="It is {result}." if isinstance(record["result"], list) else "result",
                          group="passage")  # fmt: skip
    with pytest.raises(DataError, match=r"items\.jsonl:61") as caught:
        build_task("sums", settings, folder=tmp_path, seed=0)
    assert caught.value.field == f"keep.sums.task.{setting}"


@pytest.mark.parametrize("answer", ["", None, "  "])
def test_an_empty_answer_is_refused(tmp_path: Path, write_jsonl: Write, questions: Records, answer: object) -> None:
    records = [*questions, {"question": "and?", "result": answer}]
    with pytest.raises(DataError, match="is empty"):
        build_task("sums", generation(write_jsonl(records)), folder=tmp_path, seed=0)


@pytest.mark.parametrize("kind", ["generation", "answer_probability"])
def test_a_few_questions_without_an_answer_are_no_items(tmp_path: Path, write_jsonl: Write, kind: str) -> None:
    records = [{"question": f"What is {i} + 1?", "result": "" if i in (7, 90) else str(i + 1)} for i in range(200)]
    settings: dict[str, Any] = {"files": [write_jsonl(records)], "prompt": "{question}", "answer": "result"}
    kinds = {"generation": GenerationTask, "answer_probability": AnswerProbabilityTask}
    task: Any = build_task("sums", kinds[kind](type=kind, **settings), folder=tmp_path, seed=0)
    assert task.pool.unanswered == 2
    assert len(task.pool.all) == 198
    assert all(item.target for item in task.pool.all)


def test_an_empty_prompt_is_refused(tmp_path: Path, write_jsonl: Write, questions: Records) -> None:
    records = [*questions, {"question": " ", "result": "1"}]
    with pytest.raises(DataError, match="is empty"):
        build_task("sums", generation(write_jsonl(records)), folder=tmp_path, seed=0)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        build_task("sums", generation("nowhere.jsonl"), folder=tmp_path, seed=0)
