"""Two models' logged answers in, verdicts out: what is paired, what is refused, and what is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from logged_samples import choice, lay, written

from forgetless.errors import TaskError, UserError
from forgetless.samples.compare import compare_samples
from forgetless.verdicts import ASSUMED_DISCORDANCE, smallest_margin_points

GOLDEN = Path(__file__).parents[2] / "golden" / "samples"
Lines = Sequence[dict[str, Any]]
Sides = Callable[..., tuple[Path, Path]]


@pytest.fixture
def sides(tmp_path: Path) -> Sides:
    def lay_both(base: dict[str, Lines], tuned: dict[str, Lines]) -> tuple[Path, Path]:
        return lay(tmp_path / "base" / "org__m", base), lay(tmp_path / "tuned" / "org__m", tuned)

    return lay_both


def quiz(n: int, wrong: Sequence[int] = (), **more: Any) -> list[dict[str, Any]]:
    return [choice("quiz", i, float(i not in wrong), **more) for i in range(n)]


def refusal(*args: Any, **kwargs: Any) -> str:
    with pytest.raises(UserError) as caught:
        compare_samples(*args, **kwargs)
    return str(caught.value)


def test_the_golden_samples() -> None:
    result = compare_samples(GOLDEN / "base", GOLDEN / "tuned", margin_points=40, metrics={"sums": ",number"})
    told = {
        v.capability: (v.outcome, v.n, v.base_score, v.tuned_score, v.losses, v.gains, v.margin)
        for v in result.verdicts
    }
    assert told == {
        "pets": ("absent", 6, pytest.approx(5 / 6), pytest.approx(4 / 6), 2, 1, 0.4),
        "sums": ("undecided", 6, pytest.approx(5 / 6), pytest.approx(4 / 6), 2, 1, 0.4),
    }
    assert result.domain is None
    assert [note.split(";")[0] for note in result.notes[3:]] == [
        "pets: `acc_norm` through the filter `none`",
        "sums: `exact_match` through the filter `number`",
    ]
    first = next(e for e in result.examples if e.capability == "sums")
    assert (first.prompt, first.target) == ("3 + 4 =", "7")
    assert (first.before, first.after) == (" 7, I think\n[read as: 7]", " 8, I think\n[read as: 8]")
    assert [(e.before_score, e.after_score) for e in result.examples[:3]] == [(1.0, 0.0), (1.0, 0.0), (0.0, 1.0)]


def test_a_model_that_lost_nothing_keeps_what_it_could(sides: Sides) -> None:
    result = compare_samples(*sides({"quiz": quiz(300, range(60))}, {"quiz": quiz(300, range(60))}))
    (verdict,) = result.verdicts
    least = smallest_margin_points(300, ASSUMED_DISCORDANCE, 0.05)
    assert verdict.outcome == "kept"
    assert verdict.margin == pytest.approx(least / 100)
    assert f"the margin is {least:g} points, the smallest that 300 items can certify" in result.notes[-1]


def test_a_model_that_lost_much_has_dropped(sides: Sides) -> None:
    (verdict,) = compare_samples(*sides({"quiz": quiz(300)}, {"quiz": quiz(300, range(60))}), margin_points=3).verdicts
    assert (verdict.outcome, verdict.losses, verdict.gains, verdict.margin) == ("dropped", 60, 0, 0.03)


def test_margins_by_task_and_for_the_rest(sides: Sides) -> None:
    both = {"quiz": quiz(300), "sums": [written("sums", i, 1.0) for i in range(300)]}
    result = compare_samples(*sides(both, both), margin_points=4, margins_points={"sums": 2.5})
    assert {v.capability: v.margin for v in result.verdicts} == {"quiz": 0.04, "sums": 0.025}
    assert result.notes[-1].endswith("the margin is 2.5 points, as asked")


def test_the_choices_give_the_score_of_guessing(sides: Sides) -> None:
    wrong = range(220)
    both = {"quiz": quiz(300, wrong), "sums": [written("sums", i, float(i not in wrong)) for i in range(300)]}
    result = compare_samples(*sides(both, both), margin_points=5)
    assert {v.capability: v.outcome for v in result.verdicts} == {"quiz": "absent", "sums": "kept"}
    assert "guessing scores 25 points" in result.notes[-2]
    assert "guessing scores 0 points" in result.notes[-1]


def test_answers_that_are_not_there_are_missing_and_never_0(sides: Sides) -> None:
    tuned = quiz(300)
    tuned[7] |= {"acc": None, "acc_norm": None}
    tuned[8] |= {"acc": float("nan"), "acc_norm": float("nan")}
    (verdict,) = compare_samples(*sides({"quiz": quiz(300)}, {"quiz": tuned[:280]}), margin_points=5).verdicts
    assert (verdict.n, verdict.missing, verdict.losses, verdict.tuned_score) == (300, 22, 0, 1.0)
    assert verdict.outcome == "undecided"
    assert "22 of 300 answers missing" in verdict.reason


def test_what_the_base_was_not_asked_is_left_out(sides: Sides) -> None:
    result = compare_samples(*sides({"quiz": quiz(200)}, {"quiz": quiz(240), "new": quiz(3)}), margin_points=5)
    (verdict,) = result.verdicts
    assert (verdict.n, verdict.missing, verdict.outcome) == (200, 0, "kept")
    assert "40 items left out, the base has no score for them" in verdict.reason
    assert "the base was not asked `new`, so nothing is said about it" in result.notes


def test_a_task_that_the_tuned_model_was_not_asked_is_refused(sides: Sides) -> None:
    base, tuned = sides({"quiz": quiz(200), "sums": [written("sums", 0, 1.0)]}, {"quiz": quiz(200)})
    assert "`sums`" in refusal(base, tuned)
    assert [v.capability for v in compare_samples(base, tuned, tasks=["qu*"]).verdicts] == ["quiz"]
    assert "names none of the tasks" in refusal(base, tuned, tasks=["quizz"])


def test_no_task_in_common(sides: Sides) -> None:
    assert "have no task in common" in refusal(*sides({"quiz": quiz(9)}, {"sums": quiz(9)}))


def test_no_document_in_common(sides: Sides) -> None:
    assert "no document in common" in refusal(*sides({"quiz": quiz(9)}, {"quiz": quiz(18)[9:]}))


def test_other_questions_under_the_same_numbers(sides: Sides) -> None:
    others = [choice("other", i, 1.0) for i in range(9)]
    message = refusal(*sides({"quiz": quiz(9)}, {"quiz": others}))
    assert "9 of 9 documents differ" in message


def test_other_prompts_are_refused_unless_they_are_meant(sides: Sides) -> None:
    base, tuned = sides({"quiz": quiz(200)}, {"quiz": quiz(150, shots="An example.\n") + quiz(200)[150:]})
    assert "150 of 200 prompts differ" in refusal(base, tuned)
    result = compare_samples(base, tuned, any_prompts=True)
    assert result.verdicts[0].outcome == "kept"
    assert "quiz: 150 prompts differ, which counts as a difference between the models" in result.notes


def test_metrics_and_filters(sides: Sides) -> None:
    def lines(strict: float) -> Lines:
        return [
            written("sums", i, score, through=name, metrics=["exact_match", "bleu"], bleu=55.0)
            for i in range(200)
            for name, score in (("strict-match", strict), ("flexible-extract", 1.0))
        ]

    base, tuned = sides({"sums": lines(0.0)}, {"sums": lines(0.0)})
    by_default = compare_samples(base, tuned)
    assert by_default.verdicts[0].base_score == 0.0
    assert "`exact_match` through the filter `strict-match`" in by_default.notes[-1]
    named = compare_samples(base, tuned, metrics={"sums": "exact_match,flexible-extract"})
    assert named.verdicts[0].base_score == 1.0
    for wanted in ("bleu", "f1", "exact_match,loose"):
        message = refusal(base, tuned, metrics={"sums": wanted})
        assert "`exact_match,strict-match`, `exact_match,flexible-extract`" in message
        assert f"`--metric sums`: {wanted}" in message


def test_no_filter_in_common(sides: Sides) -> None:
    base, tuned = [[written("sums", 0, 1.0, through=name)] for name in ("strict", "loose")]
    assert "no filter in common" in refusal(*sides({"sums": base}, {"sums": tuned}))


def test_a_task_without_a_score_for_each_item_is_refused(sides: Sides) -> None:
    lines = [written("text", i, 0.0, metrics=["bleu"], bleu=31.0) for i in range(9)]
    message = refusal(*sides({"text": lines}, {"text": lines}))
    assert "it has none, only `bleu`" in message
    assert "`--task`" in message


def test_a_metric_of_which_less_is_better_is_no_score(sides: Sides) -> None:
    lines = [written("speech", i, 0.0, metrics=["wer"], wer=0.3) for i in range(9)]
    base, tuned = sides({"speech": lines}, {"speech": lines})
    name = next(base.iterdir()).name.replace("samples_speech", "results").replace(".jsonl", ".json")
    (base / name).write_text(json.dumps({"higher_is_better": {"speech": {"wer": False}}}))
    assert "it has none, only `wer`" in refusal(base, tuned)


@pytest.mark.parametrize("name", ["margins_points", "metrics"])
def test_a_task_that_is_not_there(sides: Sides, name: str) -> None:
    both = {"quiz": quiz(200)}
    assert "these are `quiz`" in refusal(*sides(both, both), **{name: {"quizz": 2.0}})


def test_too_few_items_for_any_margin(sides: Sides) -> None:
    both = {"quiz": quiz(3)}
    message = refusal(*sides(both, both))
    assert "the 3 items of `quiz` can tell no drop" in message
    assert "`--margin quiz=POINTS`" in message


def test_a_group_is_one_capability_with_subjects(sides: Sides) -> None:
    def tasks(wrong: int) -> dict[str, Lines]:
        subjects = {f"mmlu_{s}": [choice(s, i, float(i >= wrong)) for i in range(60)] for s in ("law", "art")}
        return subjects | {"quiz": quiz(200)}

    base, tuned = sides(tasks(0), tasks(6))
    result = compare_samples(base, tuned, groups=["mmlu"], metrics={"mmlu": "acc"}, margins_points={"mmlu": 9})
    quizzed, pooled = sorted(result.verdicts, key=lambda v: v.n, reverse=True)
    assert (quizzed.capability, pooled.capability, pooled.n, pooled.losses) == ("quiz", "mmlu", 120, 12)
    assert [(s.subject, s.n, s.losses) for s in pooled.subjects] == [("mmlu_art", 60, 6), ("mmlu_law", 60, 6)]
    assert "`acc` through the filter `none` over 2 tasks" in " ".join(result.notes)
    assert "there is none among" in refusal(base, tuned, groups=["mmmlu"])


def test_a_group_has_one_metric(sides: Sides) -> None:
    both = {"g_a": quiz(60), "g_b": [written("g_b", i, 1.0) for i in range(60)]}
    assert "`g_a` by `acc_norm`, `g_b` by `exact_match`" in refusal(*sides(both, both), groups=["g"])


def test_the_same_question_again_is_judged_once(sides: Sides) -> None:
    lines = quiz(200)
    lines += [{**lines[0], "doc_id": 200}, {**lines[1], "doc_id": 201}]
    result = compare_samples(*sides({"quiz": lines}, {"quiz": lines}))
    assert result.verdicts[0].n == 200
    assert "quiz: 2 items ask the same again and are left out" in result.notes


def test_of_the_same_question_the_one_that_both_answered_is_judged(sides: Sides) -> None:
    repeated = {**quiz(200)[5], "doc_id": 900}
    base = [repeated if line["doc_id"] == 5 else line for line in quiz(200)]
    (verdict,) = compare_samples(*sides({"quiz": base}, {"quiz": [*quiz(200), repeated]})).verdicts
    assert (verdict.n, verdict.missing) == (200, 0)


def test_graded_scores_are_judged_by_bets(sides: Sides) -> None:
    lines = [written("text", i, 0.5 + (i % 7) / 20, metrics=["f1"], f1=0.5 + (i % 7) / 20) for i in range(900)]
    result = compare_samples(*sides({"text": lines}, {"text": lines}))
    assert (result.verdicts[0].method, result.verdicts[0].outcome) == ("betting", "kept")


def test_two_files_of_any_name_are_a_pair(sides: Sides, tmp_path: Path) -> None:
    folders = sides({"quiz": quiz(200)}, {"quiz": quiz(200)})
    renamed = [next(f.iterdir()).rename(tmp_path / f"{n}.jsonl") for f, n in zip(folders, ("a", "b"), strict=True)]
    assert [v.capability for v in compare_samples(*renamed).verdicts] == ["a"]
    with pytest.raises(TaskError, match="no task in common"):
        compare_samples(*(p.rename(tmp_path / f"samples_{p.stem}.jsonl") for p in renamed))
