"""Public data sets read as tasks, in the shapes in which they are published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from forgetless.recipe import (
    AnswerProbabilityTask,
    ChoiceTask,
    FileSettings,
    GenerationTask,
    HeldOutTask,
    PythonTask,
    RowTemplate,
    TemplateLeakTask,
)
from forgetless.sources import load_source
from forgetless.tasks import build_task, held_out_split
from forgetless.tasks.matching import same_number

pytestmark = pytest.mark.real

DATA = Path(__file__).parents[2].parent / "shared" / "data"
LETTERS = ["A", "B", "C", "D"]
MMLU = {"files": ["mmlu/val/*.csv"], "format": "csv", "columns": ["question", *LETTERS, "answer"], "answer": "answer"}


def build(settings: Any, **others: Any) -> Any:
    return build_task("task", settings, folder=DATA, seed=0, **others)


def everything(task: Any) -> tuple[Any, ...]:
    return (*task.items("dev"), *task.items("test"))


def test_worked_answers_of_gsm8k_are_read_as_their_final_number() -> None:
    task = build(
        GenerationTask(
            type="generation", files=["gsm8k/test.jsonl"], prompt="{question}", answer="answer", match="number"
        )
    )
    items = everything(task)
    assert len(items) == 1319
    for item in items:
        final = item.target.rpartition("####")[2]
        assert same_number(f"So the answer is ${final.strip()}.", item.target)


def test_mmlu_is_read_without_a_header_as_letters_and_as_texts() -> None:
    options = "{question}\nA. {A}\nB. {B}\nC. {C}\nD. {D}\nAnswer:"
    letters = build(ChoiceTask(type="choice", prompt=options, choices=LETTERS, subject="file", **MMLU))
    items = everything(letters)
    assert len(items) > 1500
    assert len({item.subject for item in items}) == 57
    assert {item.target for item in items} == set(LETTERS)
    assert letters.chance == 0.25
    texts = build(ChoiceTask(type="choice", prompt="{question}", choices=["{A}", "{B}", "{C}", "{D}"], **MMLU))
    assert all(item.target in item.choices for item in everything(texts))


def test_choices_in_a_list_with_the_index_of_the_right_one() -> None:
    task = build(
        ChoiceTask(
            type="choice", files=["commonsenseqa/*.jsonl"], prompt="{question}", choices="choices", answer="answer"
        )
    )
    assert len(everything(task)) == 1221
    assert task.chance == pytest.approx(0.2, abs=0.005)


def test_prompts_of_two_columns() -> None:
    settings = AnswerProbabilityTask(
        type="answer_probability", files=["dolly/train.json"], prompt="{instruction}\n{input}", answer="output"
    )
    items = everything(build(settings))
    assert len(items) > 1900
    assert all(item.messages[0].content == item.messages[0].content.strip() for item in items)


class Written:
    """An engine that answers by the prompt."""

    def __init__(self, answers: dict[str, str]) -> None:
        self._answers = answers

    def generate(self, prompts: Any, **_: Any) -> list[str]:
        return [self._answers[messages[-1].content] for messages in prompts]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("{canonical_solution}", 1.0),
        ("Here it is:\n\n```python\n{prompt}{canonical_solution}```\n", 1.0),
        ("```python\n{prompt}```", 0.0),
        ("    pass\n", 0.0),
        ("    return None\n", 0.0),
        ("{prompt}{canonical_solution}\n\nprint(", 1.0),
    ],
)
def test_humaneval_passes_with_its_own_solutions_and_with_nothing_less(answer: str, expected: float) -> None:
    task = build(
        PythonTask(
            type="python",
            files=["humaneval/test.jsonl"],
            prompt="{prompt}",
            start="{prompt}",
            tests="test",
            entry_point="entry_point",
            allow_code_execution=True,
        )
    )
    records = map(json.loads, (DATA / "humaneval" / "test.jsonl").read_text(encoding="utf-8").splitlines())
    answers = {r["prompt"].strip(): answer.replace("{prompt}", r["prompt"]).replace(
        "{canonical_solution}", r["canonical_solution"]) for r in records}  # fmt: skip
    items = everything(task)
    assert len(items) == 164
    results = task.score(Written(answers), items)
    assert [(r.note, r.score) for r in results if r.score != expected] == []


def test_the_intents_of_banking_leave_their_template_and_hold_rows_out() -> None:
    template = RowTemplate(prompt="{text}", completion='{"intent": "{category}"}')
    files = FileSettings(files=["banking77/train.csv"], template=template)
    rows = load_source("banking", files, kind="domain", folder=DATA, field="banking").rows
    leak = TemplateLeakTask(type="template_leak", files=["dolly/train.json"], prompt="{instruction}\n{input}")
    found = build(leak, domain_rows=rows).scorer.template
    assert found.matches('{"intent": "card_arr')
    assert not found.matches("The capital of France is Paris.")
    held = HeldOutTask(type="held_out", score="json", max_items=500)
    train, held_out = held_out_split(rows, held)
    assert (len(train) + len(held_out), len(held_out)) == (len(rows), 500)
    assert len(everything(build(held, domain_rows=rows))) == 500
