"""Strict looks share one level among them, and what failed is not told (rule 17)."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from scripted_models import MARGIN, ListTask, ScriptedFrozen, exam_of

from forgetless.guard import Capability, Certifier, Choice, Exam, level_of_look, next_look
from forgetless.recipe import EvaluationSettings
from forgetless.records import Certificate, to_json
from forgetless.rundir import RunFolder

Make = Callable[..., Certifier]
EXAM = exam_of(ListTask("maths", test=400))


def models(tuned: str = "tuned", *, lost: float = 0.0) -> ScriptedFrozen:
    return ScriptedFrozen(lambda a: {"domain": 0.6 - a / 2, "maths": lost * max(0.0, 2 * a - 1)}, tuned_hash=tuned)


def certify(certifier: Certifier, frozen: ScriptedFrozen) -> Certificate:
    return certifier.certify(frozen, Choice(7, "the best"))  # type: ignore[arg-type]


def test_looks_at_the_same_items_spend_less_and_less(make_certifier: Make) -> None:
    found = [certify(make_certifier(EXAM, strict=True), models(name)) for name in ("one", "two", "three")]
    assert [c.looks for c in found] == [1, 2, 3]
    assert [c.alpha for c in found] == pytest.approx([0.05 / 2, 0.05 / 6, 0.05 / 12])
    assert [v.alpha for v in found[1].verdicts] == pytest.approx([0.05 / 6])
    assert {v.alpha for step in found[1].path for v in step.verdicts} == {found[1].alpha}
    assert found[0].certified
    assert found[0].strict


def test_without_it_every_look_has_the_whole_level(make_certifier: Make) -> None:
    assert [certify(make_certifier(EXAM), models(name)).alpha for name in ("one", "two")] == [0.05, 0.05]
    assert level_of_look(EvaluationSettings(), 9) == 0.05


def test_what_failed_is_not_told(make_certifier: Make, run: RunFolder) -> None:
    certifier, frozen = make_certifier(EXAM, strict=True), models(lost=0.9)
    certificate = certify(certifier, frozen)
    assert not certificate.certified
    assert [(step.a, step.passed, len(step.verdicts)) for step in certificate.path] == [(0.5, True, 1), (0.8, False, 0)]
    (maths,) = certificate.verdicts
    assert (maths.outcome, maths.n, maths.estimate, maths.lower, maths.losses) == ("undecided", 0, None, None, 0)
    assert (certificate.domain.estimate, certificate.domain.n) == (None, 0)
    assert certificate.missing == ("not certified; a strict look tells no more of what failed",)
    assert certificate.certified_a == 0.5
    assert {v.outcome for v in certificate.certified_verdicts} == {"kept"}
    assert certifier.examples(frozen, certificate) == []  # type: ignore[arg-type]
    told = [event for event in run.events() if event["event"] == "path"]
    assert [len(event["verdicts"]) for event in told] == [1, 0]
    assert "dropped" not in json.dumps([told, to_json(certificate)])


def test_where_nothing_passed_the_domain_of_the_base_is_not_told_either(make_certifier: Make) -> None:
    certificate = certify(make_certifier(EXAM, strict=True), ScriptedFrozen(lambda a: {"maths": 0.9 if a else 0.0}))
    assert (certificate.certified_a, certificate.certified_domain) == (0.0, None)


def test_the_next_look_is_known_before_it_is_taken(make_certifier: Make) -> None:
    tasks = EXAM.tasks.values()
    assert next_look(tasks, base_hash="base") == 1
    certify(make_certifier(EXAM), models("one"))
    assert next_look(tasks, base_hash="base") == 2
    assert next_look(tasks, base_hash="other") == 1
    assert next_look([ListTask("sorting", fresh=True)], base_hash="base") == 1


def test_a_list_is_certified_as_what_it_is(make_certifier: Make) -> None:
    task = ListTask("maths", test=20)
    exam = Exam(ListTask("domain"), (Capability("maths", task, MARGIN, "list"),), ())
    certificate = certify(make_certifier(exam), models())
    assert certificate.certified
    assert {v.target for step in certificate.path for v in step.verdicts} == {"list"}
    assert certificate.verdicts[0].lower == certificate.verdicts[0].upper == 0.0
    assert "on this list of 20 items" in certificate.verdicts[0].reason


def test_a_step_says_dropped_only_with_holm_over_all_that_is_kept(make_certifier: Make) -> None:
    # Five losses of a hundred items: p = 1 / 32, enough for one ability and not among eight.
    tasks = [ListTask(f"c{i}", test=100) for i in range(8)]
    certificate = certify(
        make_certifier(exam_of(*tasks, margin=0.04), discordance={"c0": 0.1}),
        ScriptedFrozen(lambda a: {"c0": 0.05 if a else 0.0}),
    )
    (step,) = certificate.path
    (verdict,) = step.verdicts
    assert (verdict.capability, verdict.outcome, verdict.losses) == ("c0", "undecided", 5)
    assert "among 8 capabilities" in verdict.reason
