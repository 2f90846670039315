"""The exam: built from the recipe before anything is trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from scripted_models import ListTask, ScriptedModel, exam_of

from forgetless.engines import TransformersEngine
from forgetless.errors import RecipeError, TaskError
from forgetless.guard import Capability, Comparer, capabilities_of, draw_test_items, fresh_seeds, rehearse, set_exam
from forgetless.guard.margins import JudgedPart, default_margin_points
from forgetless.models import load_folder
from forgetless.nano import MODEL_PATH, domain_rows
from forgetless.recipe import EvaluationSettings, Recipe, parse_recipe
from forgetless.rundir import ScoreStore
from forgetless.sources import prompt_key
from forgetless.tokens import ChatFormat
from forgetless.verdicts import ASSUMED_DISCORDANCE

ROWS = domain_rows(n=60, seed=0)


def recipe(**parts: Any) -> Recipe:
    return parse_recipe(
        {
            "name": "exam",
            "model": {"path": "model"},
            "sources": {"rows": {"kind": "domain", "files": ["rows.jsonl"], "share": 1.0}},
            "keep": {"sorting": {"task": {"type": "procedural", "generator": "nano/sorting", "dev_items": 150}}},
            "domain": {"task": {"type": "held_out", "percent": 30}},
            **parts,
        }
    )


def test_held_out_rows_are_not_trained_on(tmp_path: Path) -> None:
    exam = set_exam(recipe(), folder=tmp_path, domain_rows=ROWS)
    asked = [*exam.domain.items("dev"), *exam.domain.items("test")]
    assert len(exam.domain_rows) + len(asked) == len(ROWS)
    assert 4 <= len(asked) <= 40
    trained = {prompt_key(row.messages) for row in exam.domain_rows}
    assert exam.fixed_prompts(0) == {prompt_key(item.messages) for item in asked}
    assert not trained & exam.fixed_prompts(0)


def test_fresh_tasks_forbid_no_row(tmp_path: Path) -> None:
    domain = {"task": {"type": "procedural", "generator": "nano/domain"}}
    exam = set_exam(recipe(domain=domain), folder=tmp_path, domain_rows=ROWS)
    assert exam.fixed_prompts(0) == frozenset()
    assert exam.domain_rows == tuple(ROWS)


def kept(**capability: Any) -> Recipe:
    task = {"type": "procedural", "generator": "nano/sorting", "items": 100}
    return recipe(keep={"sorting": {"task": task, **capability}})


def test_margins_are_on_the_scale_of_the_scores(tmp_path: Path) -> None:
    (capability,) = capabilities_of(kept(margin_points=2), folder=tmp_path)
    assert (capability.name, capability.margin) == ("sorting", 0.02)


def test_a_margin_that_is_not_given_is_the_smallest_that_the_items_can_certify(tmp_path: Path) -> None:
    (capability,) = capabilities_of(kept(), folder=tmp_path)
    part = JudgedPart(100, 100, True, ASSUMED_DISCORDANCE)
    assert capability.margin == default_margin_points("sorting", part, alpha=0.05, capabilities=1) / 100
    (fewer,) = capabilities_of(
        kept().model_copy(update={"evaluation": EvaluationSettings(test_items=50)}), folder=tmp_path
    )
    assert fewer.margin > capability.margin


def test_a_recipe_that_keeps_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="without one there is nothing to test"):
        set_exam(recipe(keep={}), folder=tmp_path, domain_rows=ROWS)


def test_samples_of_a_capability_are_of_the_dev_part() -> None:
    prompts = Capability("maths", ListTask("maths", dev=200), 0.1).sample_prompts(0)
    assert len(prompts) == 120
    assert all("-dev-" in prompt for prompt in prompts)


def test_seeds_are_given_to_fresh_tasks_alone() -> None:
    tasks = {"maths": ListTask("maths"), "sorting": ListTask("sorting", fresh=True)}
    seeds = fresh_seeds(tasks, "base", "tuned")
    assert set(seeds) == {"sorting"}
    assert seeds != fresh_seeds(tasks, "base", "other")
    drawn = draw_test_items(tasks, limit=5, seed=0, fresh_seeds=seeds)
    other = draw_test_items(tasks, limit=5, seed=0, fresh_seeds={"sorting": 1})
    assert drawn["maths"] == other["maths"]
    assert drawn["sorting"] != other["sorting"]
    assert [len(items) for items in drawn.values()] == [5, 5]


def test_two_finished_models_are_compared(tmp_path: Path) -> None:
    base, tuned = ScriptedModel("base", {"domain": 0.5}), ScriptedModel("tuned", {"maths": 0.5})
    store = ScoreStore(tmp_path)
    exam = exam_of(ListTask("maths"), ListTask("writing"))
    tasks = {c.name: c.task for c in exam.capabilities} | {"domain": exam.domain}
    items = draw_test_items(tasks, limit=None, seed=0, fresh_seeds={})
    comparer = Comparer(base, tuned, base_scores=store, scores=store, alpha=0.05)  # type: ignore[arg-type]
    verdicts = comparer.judge(exam.capabilities, items)
    assert {v.capability: v.outcome for v in verdicts} == {"maths": "dropped", "writing": "kept"}
    assert comparer.judge_domain(exam.domain, items["domain"]).outcome == "gained"


@pytest.mark.parametrize(
    "task",
    [
        {"type": "generation", "prompt": "{question}", "answer": "{answer}"},
        {"type": "answer_probability", "prompt": "{question}", "answer": "{answer}"},
        {"type": "choice", "prompt": "{question}", "choices": ["{answer}", "no"], "answer": "answer"},
    ],
    ids=lambda task: str(task["type"]),
)
def test_an_item_that_the_model_cannot_read_is_found_before_training(tmp_path: Path, task: dict[str, Any]) -> None:
    records = [{"question": f"What is {i}?", "answer": "yes"} for i in range(30)]
    file = tmp_path / "items.jsonl"
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    nano = load_folder(MODEL_PATH, device="cpu")
    engine = TransformersEngine(nano.model, nano.format, model_hash=nano.hash)
    keep = {"reading": {"task": task | {"files": [str(file)]}}}
    rehearse(set_exam(recipe(keep=keep), folder=tmp_path, domain_rows=ROWS), engine, seed=0)
    records[17]["question"] = "What is this? " + "7 " * 300
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    with pytest.raises(TaskError, match="What is this") as caught:
        rehearse(set_exam(recipe(keep=keep), folder=tmp_path, domain_rows=ROWS), engine, seed=0)
    assert caught.value.field == "keep.reading.task"
    assert "reads at most 256" in caught.value.rule


def test_of_fresh_tasks_one_question_of_each_part_is_rehearsed(tmp_path: Path) -> None:
    nano = load_folder(MODEL_PATH, device="cpu")
    template = "{% if messages[0].content.startswith('Sort') %}{{ raise_exception('no sorting') }}{% endif %}"
    domain = {"task": {"type": "procedural", "generator": "nano/arithmetic"}}
    exam = set_exam(recipe(domain=domain), folder=tmp_path, domain_rows=ROWS)
    rehearse(exam, TransformersEngine(nano.model, nano.format, model_hash=nano.hash), seed=0)
    picky = ChatFormat(nano.format.tokenizer, template=template + str(nano.format.template))
    with pytest.raises(TaskError, match="no sorting") as caught:
        rehearse(exam, TransformersEngine(nano.model, picky, model_hash=nano.hash), seed=0)
    assert caught.value.field == "keep.sorting.task"


def test_questions_are_those_of_the_fixed_tasks_and_each_task_apart() -> None:
    """Raw text is searched for them; what a fresh task will ask nobody knows yet."""
    exam = exam_of(ListTask("maths", dev=2, test=3), ListTask("sorting", fresh=True))
    domain, maths = exam.fixed_questions(0)
    assert {question.split("-")[0] for question in maths} == {"ask maths"}
    assert (len(maths), len(domain) > 0) == (5, True)
