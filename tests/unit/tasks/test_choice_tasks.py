"""Multiple choice: reading the answers, scoring by likelihood."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forgetless.errors import DataError, TaskError
from forgetless.recipe import ChoiceTask
from forgetless.records import Item
from forgetless.tasks import build_task
from forgetless.tasks.choice import ChoiceScorer, read_answers

Write = Callable[..., str]
Make = Callable[..., Item]
COLOURS = ("red", "green", "blue")


def read(answers: list[Any], choices: list[tuple[str, ...]] | None = None) -> tuple[str, ...]:
    choices = choices or [COLOURS] * len(answers)
    return read_answers(answers, choices, origins=[f"f:{i}" for i in range(len(answers))], field="t.answer")


@pytest.mark.parametrize(
    "answers", [[0, 2, 1], ["0", "2", "1"], ["A", "C", "B"], ["(a)", "c.", "B"], ["red", " blue", "green"]]
)
def test_answers_are_indices_letters_or_texts(answers: list[Any]) -> None:
    assert read(answers) == ("red", "blue", "green")


def test_letters_may_be_the_choices_themselves() -> None:
    assert read(["B", "A"], [("A", "B", "C")] * 2) == ("B", "A")


def test_numbers_are_texts_where_they_cannot_be_indices() -> None:
    assert read([4, 3], [("3", "4", "5")] * 2) == ("4", "3")


def test_readings_that_agree_are_one() -> None:
    assert read([1, 0], [("0", "1")] * 2) == ("1", "0")


def test_readings_that_disagree_are_refused_by_name() -> None:
    with pytest.raises(TaskError, match="ambiguous") as caught:
        read(["1", "0"], [("1", "2"), ("0", "1")])
    assert "f:0" in str(caught.value)
    assert "an index" in str(caught.value)
    assert "a text" in str(caught.value)


@pytest.mark.parametrize("answers", [["A", "D"], [1, 2, 3], ["red", "yellow"], [True, True], ["A", 1], [-1, 0]])
def test_answers_that_fit_no_reading_are_refused(answers: list[Any]) -> None:
    with pytest.raises(TaskError, match="names none of the 3 choices"):
        read(answers)


def build(tmp_path: Path, files: str, **settings: Any) -> Any:
    settings = {"prompt": "{q}", "choices": "options", "answer": "a", **settings}
    return build_task("quiz", ChoiceTask(type="choice", files=[files], **settings), folder=tmp_path, seed=0)


def test_chance_is_the_mean_of_one_over_k(tmp_path: Path, write_jsonl: Write) -> None:
    records = [{"q": f"q{i}", "options": ["x", "y", "z", "w"][: 2 + 2 * (i % 2)], "a": "A"} for i in range(40)]
    assert build(tmp_path, write_jsonl(records)).chance == pytest.approx((1 / 2 + 1 / 4) / 2)


def test_a_choice_listed_twice_is_right_either_way(tmp_path: Path, write_jsonl: Write) -> None:
    records = [{"q": f"q{i}", "options": ["x", "y", "x"], "a": 2} for i in range(30)]
    task = build(tmp_path, write_jsonl(records))
    assert task.items("test")[0].target == "x"
    assert task.chance == pytest.approx(2 / 3)


def test_a_choice_that_a_record_lacks_is_named_by_its_line(tmp_path: Path, write_jsonl: Write) -> None:
    name = write_jsonl([{"q": "?", "x": "one", "y": "two", "a": 0}, {"q": "?!", "x": "one", "y": None, "a": 0}])
    with pytest.raises(DataError, match=r"items\.jsonl:2: `y` is null") as caught:
        build(tmp_path, name, choices=["{x}", "{y}"])
    assert caught.value.field.endswith("task.choices")


def test_choices_may_be_templates_over_columns(tmp_path: Path) -> None:
    rows = "".join(f"{n} + 1?,{n + 1},{n + 2},B\n" for n in range(40))
    (tmp_path / "t.csv").write_text("question,first,second,answer\n" + rows)
    task = build(tmp_path, "t.csv", prompt="{question}", choices=["{first}", "{second}"], answer="answer")
    item = task.items("test")[0]
    assert item.target == item.choices[1]


def test_a_list_in_a_cell_of_a_csv_file_is_a_list(tmp_path: Path) -> None:
    rows = "".join(f'q{n},"[""x{n}"", ""y{n}""]",1\n' for n in range(40))
    (tmp_path / "t.csv").write_text("q,options,a\n" + rows)
    assert build(tmp_path, "t.csv").items("test")[0].target.startswith("y")


@pytest.mark.parametrize("options", [["only"], ["x", ""], "x or y", [{"text": "x"}, {"text": "y"}], []])
def test_what_is_no_list_of_choices_is_refused(tmp_path: Path, write_jsonl: Write, options: Any) -> None:
    records = [{"q": f"q{i}", "options": options, "a": 0} for i in range(30)]
    with pytest.raises((TaskError, DataError), match=r"items\.jsonl:1|is empty"):
        build(tmp_path, write_jsonl(records))


def test_the_most_likely_choice_is_taken(scripted: Any, item: Make) -> None:
    items = [item("p", "green", choices=COLOURS), item("q", "red", choices=COLOURS)]
    engine = scripted(likelihood=lambda prompt, answer: -1.0 if answer == "green" else -2.0)
    results = ChoiceScorer().score(engine, items)
    assert [(r.score, r.output) for r in results] == [(1.0, "green"), (0.0, "green")]


def test_dividing_by_bytes_takes_the_advantage_of_short_choices_away(scripted: Any, item: Make) -> None:
    one = item("p", "a long answer", choices=("no", "a long answer"))
    engine = scripted(likelihood=lambda prompt, answer: -2.0 if answer == "no" else -6.5)
    assert ChoiceScorer("none").score(engine, [one])[0].score == 0.0
    assert ChoiceScorer("bytes").score(engine, [one])[0].score == 1.0
    assert ChoiceScorer("none").fingerprint != ChoiceScorer("bytes").fingerprint


def test_an_unknown_likelihood_is_missing_and_not_wrong(scripted: Any, item: Make) -> None:
    engine = scripted(likelihood=lambda prompt, answer: math.nan if answer == "red" else -1.0)
    result = ChoiceScorer().score(engine, [item("p", "green", choices=COLOURS)])[0]
    assert result.score is None


def test_an_impossible_choice_is_never_taken(scripted: Any, item: Make) -> None:
    engine = scripted(likelihood=lambda prompt, answer: -math.inf if answer == "red" else -1e9)
    assert ChoiceScorer().score(engine, [item("p", "green", choices=("red", "green"))])[0].score == 1.0
