from __future__ import annotations

from dataclasses import replace

from synthetic_run import REPLAYED, certificate

from forgetless.records import Example
from forgetless.reporting import tables
from forgetless.reporting.phrases import say
from forgetless.reporting.view import Moment


def test_alarms_are_told_once_for_each_ability(rough):
    alarms = (Moment(50, "facts has dropped", "facts"), Moment(50, "x", "lookup"), Moment(1100, "y", "facts"))
    rows = tables.alarm_rows(replace(rough, alarms=alarms))
    assert [(row.capability, row.steps, row.first.text) for row in rows] == [
        ("facts", ("50", "1,100"), "facts has dropped"),
        ("lookup", ("50",), "x"),
    ]


def test_the_path_starts_at_the_base_and_ends_at_the_tuned_model(gentle):
    view = replace(gentle, certificate=certificate(REPLAYED), path=certificate(REPLAYED).path)
    walked = tables.positions(view)
    assert [p.result for p in walked] == ["base", "passed", "failed", *["not_tested"] * 5]
    assert [p.a for p in walked if p.certified] == [0.25]
    assert walked[2].failed_by == ("brackets",)
    assert tables.positions_matrix(view, walked)["english"][1] is None


def test_the_domain_of_a_certified_model_is_shown_only_where_it_is_another_model(gentle, rough):
    between = replace(gentle, certificate=certificate(REPLAYED))
    assert tables.domain_view(between).certified.tuned_score == 0.61
    assert tables.domain_view(gentle).certified is None
    assert tables.domain_view(rough).certified is None


def test_changes_of_an_answer():
    def change(before, after):
        return tables.sample_change(Example("a", "p", before_score=before, after_score=after))

    assert (change(1.0, 0.0), change(0.0, 1.0)) == ("lost", "won")
    assert (change(0.8, 0.3), change(0.3, 0.8)) == ("worse", "better")
    assert (change(0.5, 0.5), change(None, 1.0)) == ("same", "unknown")


def test_answers_come_domain_first_and_losses_first(rough):
    groups = tables.sample_rows(rough.samples)
    assert next(iter(groups)) == "domain"
    mixed = (Example("a", "1", before_score=1.0, after_score=1.0), Example("a", "2", before_score=1.0, after_score=0.0))
    assert [row.change for row in tables.sample_rows(mixed)["a"]] == ["lost", "same"]


def test_what_was_left_out_of_a_source_is_said_with_its_reason(gentle):
    row = next(row for row in tables.source_rows(gentle) if row.name == "banking")
    assert [say(why, "en") for why in row.left_out] == ["41 duplicates", "300 held out for the domain"]
    replay = next(row for row in tables.source_rows(gentle) if row.name == "replay")
    assert replay.kind == "replay"
    assert replay.source is None
