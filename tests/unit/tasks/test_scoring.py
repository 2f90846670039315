"""Generated answers and probabilities of answers as scores."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forgetless.engines import AnswerLikelihood
from forgetless.errors import TaskError
from forgetless.recipe import AnswerProbabilityTask, GenerationTask
from forgetless.records import Item
from forgetless.sampling import GREEDY
from forgetless.tasks import build_task
from forgetless.tasks.answer_probability import ProbabilityScorer, probability
from forgetless.tasks.generation import GenerationScorer
from forgetless.tasks.task import as_result

Write = Callable[..., str]
Make = Callable[..., Item]


def test_answers_are_right_wrong_or_missing(scripted: Any, item: Make) -> None:
    answers = {"good": "It is 15.", "bad": "It is 15, or 5", "empty": "", "mute": "no idea", "failed": None}
    items = [item(name, "15", group="g", subject="s") for name in answers]
    results = GenerationScorer("number", 8).score(scripted(answer=answers.get), items)
    assert [result.score for result in results] == [1.0, 0.0, 0.0, 0.0, None]
    assert results[0].output == "It is 15."
    assert (results[0].item_id, results[0].group, results[0].subject) == ("good", "g", "s")


def test_only_what_stands_after_the_thoughts_is_matched(scripted: Any, item: Make) -> None:
    answers = {
        "thought": "<think>\n7, no, 8\n</think>\n\n15",
        "wrong": "<think>15</think>8",
        "unfinished": "<think>it is 15",
        "two thoughts": "<think>8</think><think>9</think>15",
    }
    items = [item(name, "15") for name in answers]
    for match in ("number", "exact"):
        results = GenerationScorer(match, 8).score(scripted(answer=answers.get), items)
        assert [result.score for result in results] == [1.0, 0.0, 0.0, 1.0]
    assert results[0].output == answers["thought"]


@pytest.mark.parametrize("thinking", [True, False])
def test_a_task_may_set_the_mode_of_its_questions(tmp_path: Path, write_jsonl: Write, thinking: bool) -> None:
    records = [{"q": f"{n}?", "a": str(n)} for n in range(60)]
    asked = {"type": "generation", "files": [write_jsonl(records)], "prompt": "{q}", "answer": "a"}
    plain = build_task("sums", GenerationTask(**asked), folder=tmp_path, seed=0)
    moded = build_task("sums", GenerationTask(**asked, thinking=thinking), folder=tmp_path, seed=0)
    for part in ("dev", "test"):
        before, after = plain.items(part), moded.items(part)
        assert all(item.messages[-1].enable_thinking is thinking for item in after)
        assert [item.messages[-1].content for item in after] == [item.messages[-1].content for item in before]
        assert not {item.id for item in after} & {item.id for item in before}


def test_generation_is_greedy_and_as_long_as_allowed(scripted: Any, item: Make) -> None:
    engine = scripted()
    GenerationScorer("exact", 17).score(engine, [item("a")])
    assert engine.asked.get("sampling", GREEDY) == GREEDY
    assert engine.asked["max_new_tokens"] == 17


def test_fingerprints_tell_ways_of_scoring_apart() -> None:
    scorers = [
        GenerationScorer("exact", 8),
        GenerationScorer("number", 8),
        GenerationScorer("exact", 9),
        GenerationScorer("regex", 8, "a"),
        GenerationScorer("regex", 8, "b"),
        ProbabilityScorer(),
    ]
    assert len({scorer.fingerprint for scorer in scorers}) == len(scorers)


def test_long_worked_answers_are_references_for_numbers(tmp_path: Path, write_jsonl: Write, scripted: Any) -> None:
    records = [{"q": f"{n} + 1?", "a": f"{n} + 1 = <<{n}+1={n + 1}>>.\n#### {n + 1:,}"} for n in range(990, 1030)]
    settings = GenerationTask(type="generation", files=[write_jsonl(records)], prompt="{q}", answer="a", match="number")
    task = build_task("sums", settings, folder=tmp_path, seed=0)
    engine = scripted(answer=lambda prompt: f"The answer is {int(prompt.split()[0]) + 1}.")
    assert {result.score for result in task.score(engine, task.items("test"))} == {1.0}
    assert (task.binary, task.fresh, task.chance) == (True, False, 0.0)


def test_a_reference_without_a_number_is_refused_before_anything_runs(tmp_path: Path, write_jsonl: Write) -> None:
    records = [{"q": f"{n}", "a": str(n)} for n in range(30)] + [{"q": "x", "a": "many"}]
    settings = GenerationTask(type="generation", files=[write_jsonl(records)], prompt="{q}", answer="a", match="number")
    with pytest.raises(TaskError, match=r"items\.jsonl:31"):
        build_task("sums", settings, folder=tmp_path, seed=0)


@pytest.mark.parametrize("n", [1, 2])
def test_a_task_of_one_item_is_refused(tmp_path: Path, write_jsonl: Write, n: int) -> None:
    files = [write_jsonl([{"q": f"q{i}", "a": "a"} for i in range(n)])]
    settings = AnswerProbabilityTask(type="answer_probability", files=files, prompt="{q}", answer="a")
    with pytest.raises(TaskError):
        build_task("one", settings, folder=tmp_path, seed=0)


@settings(deadline=None)
@given(bits=st.floats(0.0, 50.0), length=st.integers(1, 500))
def test_the_probability_is_two_to_minus_bits_per_byte(bits: float, length: int) -> None:
    found = AnswerLikelihood(log_likelihood=-bits * length * math.log(2), tokens=1, bytes=length, greedy=False)
    assert probability(found) == pytest.approx(2.0**-bits)


def test_probabilities_of_nothing_and_of_unknown_likelihood_are_missing(scripted: Any, item: Make) -> None:
    items = [item("nan", "x"), item("no bytes", ""), item("certain", "x"), item("impossible", "x")]
    values = {"nan": math.nan, "no bytes": 0.0, "certain": 1e-9, "impossible": -math.inf}
    results = ProbabilityScorer().score(scripted(likelihood=lambda prompt, _: values[prompt]), items)
    assert [result.score for result in results] == [None, None, 1.0, 0.0]


def test_a_score_that_is_not_a_number_is_missing_and_one_beyond_1_is_a_bug(item: Make) -> None:
    assert as_result(item("a"), math.nan).score is None
    assert as_result(item("a"), None).score is None
    assert as_result(item("a"), 0.0).score == 0.0
    assert as_result(item("a"), 0.5).group == "a"
    with pytest.raises(ValueError, match=r"1\.5"):
        as_result(item("a"), 1.5)
