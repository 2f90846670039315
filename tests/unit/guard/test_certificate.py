"""The certificate: the walk out from the base, what is saved, and what is said of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from scripted_models import ListTask, ScriptedFrozen, exam_of

from forgetless.guard import Certifier, Choice, Guard
from forgetless.records import Certificate, from_json, to_json
from forgetless.rundir import RunFolder

Make = Callable[..., Certifier]
CHOICE = Choice(7, "the best")


def frozen(sorting_at_1: float = 0.0, *, domain: bool = True, **names: str) -> ScriptedFrozen:
    """A model that learns the domain on its way out, and loses the given share of sorting beyond the middle."""

    def lost(a: float) -> Mapping[str, float]:
        beyond = max(0.0, 2 * a - 1)
        return {"domain": 0.6 - 0.5 * a * domain, "sorting": sorting_at_1 * beyond, "maths": 0.0}

    return ScriptedFrozen(lost, **names)


def certify(certifier: Certifier, models: ScriptedFrozen) -> Certificate:
    return certifier.certify(models, CHOICE)  # type: ignore[arg-type]


def test_a_model_that_keeps_everything_is_certified_as_it_is(make_certifier: Make, run: RunFolder) -> None:
    models = frozen()
    certificate = certify(make_certifier(), models)
    assert certificate.certified
    assert certificate.certified_a == 1.0
    assert [(step.a, step.passed) for step in certificate.path] == [(0.5, True), (0.8, True), (1.0, True)]
    assert {v.capability: v.outcome for v in certificate.verdicts} == {"maths": "kept", "sorting": "kept"}
    assert certificate.certified_hash == certificate.model_hash == "tuned"
    assert certificate.certified_domain == certificate.domain
    assert certificate.certified_verdicts == certificate.verdicts
    assert (certificate.missing, models.saved) == ((), [])
    assert certificate.domain.outcome == "gained"
    assert (certificate.base_hash, certificate.chosen_step, certificate.chosen_by) == ("base", 7, "the best")
    assert [event["a"] for event in run.events() if event["event"] == "path"] == [0.5, 0.8, 1.0]


def test_a_model_whose_domain_is_no_better_than_halfway_is_still_certified(make_certifier: Make) -> None:
    certificate = certify(make_certifier(), frozen(domain=False))
    assert certificate.path[-1].a == 1.0
    assert certificate.path[-1].passed
    assert {v.outcome for v in certificate.verdicts} == {"kept"}
    assert certificate.certified
    assert certificate.missing == ()


def test_the_walk_stops_at_the_first_failure_and_what_passed_is_saved(make_certifier: Make, run: RunFolder) -> None:
    models = frozen(0.6)
    certificate = certify(make_certifier(path=[0.25, 0.5, 0.8, 0.9, 1.0]), models)
    assert [(step.a, step.passed) for step in certificate.path] == [(0.25, True), (0.5, True), (0.8, False)]
    assert models.positions == [0.0, 0.25, 0.5, 0.8, 1.0]
    assert models.saved == [(0.5, run.path / "certified")]
    assert not certificate.certified
    assert (certificate.certified_a, certificate.certified_hash) == (0.5, "saved at 0.5")
    assert {v.outcome for v in certificate.certified_verdicts} == {"kept"}
    assert certificate.certified_domain is not None
    assert certificate.certified_domain.tuned_score == pytest.approx(0.65)
    assert {v.capability: v.outcome for v in certificate.verdicts} == {"maths": "kept", "sorting": "dropped"}
    assert certificate.domain.tuned_score == pytest.approx(0.9)
    assert any("sorting" in line and "dropped" in line for line in certificate.missing)
    assert any("a = 0.8" in line for line in certificate.missing)


def test_where_nothing_passes_the_base_itself_is_certified(make_certifier: Make) -> None:
    models = ScriptedFrozen(lambda a: {"domain": 0.6, "maths": 0.5 if a else 0.0})
    certificate = certify(make_certifier(), models)
    assert [(step.a, step.passed) for step in certificate.path] == [(0.5, False)]
    assert (certificate.certified, certificate.certified_a, certificate.certified_hash) == (False, 0.0, "base")
    assert models.saved == []
    assert certificate.certified_verdicts == ()
    assert certificate.certified_domain is not None
    assert certificate.certified_domain.estimate == 0.0


def test_the_ability_most_at_risk_is_tested_first_and_the_rest_not_at_all(make_certifier: Make) -> None:
    models = ScriptedFrozen(lambda a: {"sorting": 0.5 if a else 0.0})
    certificate = certify(make_certifier(discordance={"maths": 0.01, "sorting": 0.2}), models)
    assert [v.capability for v in certificate.path[0].verdicts] == ["sorting"]
    assert not any(item.startswith("maths") for item in models.models[0.5].asked)


def test_a_drop_beyond_the_margin_is_seen_before_the_items_run_out(make_certifier: Make) -> None:
    models = ScriptedFrozen(lambda a: {"maths": 0.9 if a else 0.0})
    certify(make_certifier(exam_of(ListTask("maths", test=2000))), models)
    assert len([item for item in models.models[0.5].asked if item.startswith("maths")]) < 1000


def test_an_ability_that_the_base_lacks_fails_no_step(make_certifier: Make) -> None:
    models = ScriptedFrozen(lambda a: {"domain": 0.6 - a / 2, "sorting": 1.0})
    certificate = certify(make_certifier(), models)
    assert {v.capability: v.outcome for v in certificate.verdicts} == {"maths": "kept", "sorting": "absent"}
    assert certificate.certified


def test_too_few_items_certify_nothing(make_certifier: Make) -> None:
    few = exam_of(ListTask("maths", test=20))
    certificate = certify(make_certifier(few), frozen())
    assert [v.outcome for v in certificate.verdicts] == ["undecided"]
    assert not certificate.certified
    assert any("20" in line for line in certificate.missing)


def test_a_certificate_survives_json(make_certifier: Make) -> None:
    certificate = certify(make_certifier(), frozen(0.6))
    assert from_json(Certificate, json.loads(json.dumps(to_json(certificate), allow_nan=False))) == certificate


def test_seeds_of_fresh_items_depend_on_what_is_frozen(make_certifier: Make) -> None:
    def seed(recipe_hash: str = "recipe", **names: str) -> int:
        certificate = certify(make_certifier(recipe_hash=recipe_hash), frozen(**names))
        assert set(certificate.item_seeds) == {"sorting"}
        return certificate.item_seeds["sorting"]

    assert seed() == seed()
    assert len({seed(), seed(base_hash="other"), seed(tuned_hash="other"), seed(recipe_hash="other")}) == 4


def test_fresh_items_are_the_same_for_base_and_candidates_and_new_for_another_model(make_certifier: Make) -> None:
    first, second = frozen(tuned_hash="one"), frozen(tuned_hash="two")
    for models in (first, second):
        certify(make_certifier(), models)
        drawn = {a: {i for i in m.asked if i.startswith("sorting")} for a, m in models.models.items()}
        assert drawn[1.0] == drawn[0.0]
        assert drawn[0.5] <= drawn[0.0]
    assert not {i for i in first.asked & second.asked if i.startswith("sorting")}


def test_the_test_part_is_touched_by_the_certificate_alone(
    make_guard: Callable[..., Guard], make_certifier: Make
) -> None:
    models = frozen()
    guard = make_guard(base=models.base_engine())
    for step in (1, 2, 3):
        guard.look(models.tuned_engine(), step=step, tokens=step)  # type: ignore[arg-type]
    guard.choose()
    assert models.asked
    assert all("-dev-" in item for item in models.asked)
    certify(make_certifier(discordance=guard.discordance(3)), models)
    between = set(models.models[0.5].asked)
    assert {item.split("-")[0] for item in between if "-dev-" in item} == {"domain"}
    assert {item.split("-")[0] for item in between if "-test-" in item} == {"maths", "sorting"}


def test_a_second_certificate_measures_nothing_again(make_certifier: Make) -> None:
    certifier, again = make_certifier(), frozen(0.6)
    first = certify(certifier, frozen(0.6))
    second = certify(certifier, again)
    assert again.asked == set()
    assert as_shown(second) == as_shown(first)


def as_shown(certificate: Certificate) -> dict[str, Any]:
    return {name: value for name, value in to_json(certificate).items() if name != "looks"}


def test_examples_show_what_moved_most(make_certifier: Make) -> None:
    models = frozen(0.6)
    examples = make_certifier().examples(models, certify(make_certifier(), models))  # type: ignore[arg-type]
    assert {e.capability for e in examples} == {"domain", "maths", "sorting"}
    for_sorting = [e for e in examples if e.capability == "sorting"]
    assert {(e.before, e.after) for e in for_sorting} == {("yes", "no")}
    assert all(e.prompt.startswith("ask sorting-test-") for e in for_sorting)
