from __future__ import annotations

from dataclasses import replace

from synthetic_run import GENTLE, REPLAYED, certificate, domain_verdict, verdict

from forgetless.records import PathStep
from forgetless.reporting import View, wording
from forgetless.reporting.phrases import say
from forgetless.reporting.view import Moment


def text(view: View, language="en") -> str:
    return say(wording.headline(view), language)


def test_a_certified_run_in_one_sentence(gentle):
    assert text(gentle) == "The domain gained 90.9 points (0.4% → 91.3%); all 10 abilities kept; certified at α = 0.05."
    assert (
        text(gentle, "zh") == "领域得分提高 90.9 个百分点（0.4% → 91.3%）；10 项能力全部保住；在 α = 0.05 下通过认证。"
    )


def test_what_is_missing_is_named_drops_first(gentle):
    verdicts = (verdict("english", 0.0, n=50), verdict("facts", -0.3), verdict("lookup", 0.0))
    changed = replace(gentle.certificate, certified=False, verdicts=verdicts)
    assert text(replace(gentle, certificate=changed)).endswith(
        "1 of 3 abilities kept; not certified: 1 dropped (facts), 1 undecided (english)."
    )


def test_many_missing_are_counted(rough):
    assert "10 dropped (arithmetic, sorting, reversing, counting and 6 more)" in text(rough)


def test_an_absent_ability_is_never_counted_as_kept(gentle):
    verdicts = (verdict("lookup", 0.0), verdict("facts", 0.0, outcome="absent"))
    view = replace(gentle, certificate=replace(gentle.certificate, verdicts=verdicts))
    assert wording.tally(view) == (1, 1, 1)
    assert "the one ability kept (1 absent from the base)" in text(view)


def test_where_the_walk_stopped_is_said_when_the_tuned_model_itself_shows_nothing_missing(gentle):
    stopped = (PathStep(0.25, True, ()), PathStep(0.5, False, ()))
    changed = replace(gentle.certificate, certified=False, path=stopped, certified_a=0.25)
    assert "the walk out from the base stopped at a = 0.5" in text(replace(gentle, certificate=changed))


def test_the_certified_model_in_between_gets_its_own_line(gentle):
    view = replace(gentle, certificate=certificate(REPLAYED))
    assert view.certificate.certified_a == 0.25
    assert say(wording.second_line(view), "en").startswith("Between base and tuned model, a = 0.25 is certified")
    assert "That is 30.3 points less than the tuned model gained" in say(wording.second_line(view), "en")
    assert wording.second_line(gentle) is None


def test_a_run_without_a_certificate_promises_nothing(gentle):
    young = replace(gentle, certificate=None)
    assert text(young).endswith("abilities not tested yet; no certificate yet.")
    stopped = replace(young, stop=Moment(100, "alarm"))
    assert stopped.state == "stopped"
    assert text(stopped).endswith("stopped at step 100, no certificate.")
    assert "has not been measured" in text(View("bare"))


def test_a_domain_that_fell_is_not_called_a_gain(gentle):
    fell = replace(domain_verdict(0.9), outcome="not_gained", measurable=True, estimate=-0.05)
    assert text(replace(gentle, certificate=replace(gentle.certificate, domain=fell))).startswith(
        "The domain fell by 5.0"
    )


def test_a_bound_just_inside_the_margin_does_not_read_as_if_it_lay_on_it():
    near = replace(verdict("facts", 0.0), outcome="kept", lower=-0.0196)
    assert say(wording.why(near), "en") == "At worst −1.96, inside the margin of 2."


def test_every_outcome_has_an_explanation_with_and_without_bounds():
    for outcome in ("kept", "dropped", "undecided", "absent", "gained", "not_gained"):
        full = replace(verdict("facts", -0.01), outcome=outcome)
        bare = replace(full, lower=None, upper=None, interval=None, reason="")
        for each in (full, bare):
            for language in ("en", "zh"):
                assert say(wording.why(each), language)
                assert say(wording.outcome(each), language)


def test_ten_changes_make_ten_verdicts():
    assert len(certificate(GENTLE).verdicts) == 10


def test_a_verdict_on_a_list_says_so():
    on_list = replace(verdict("facts", 0.0), outcome="kept", target="list")
    assert say(wording.outcome(on_list), "en") == "kept, on this list"
    assert "仅限这套题" in say(wording.outcome(on_list), "zh")


def test_what_is_not_told_is_explained_in_the_judges_words():
    sealed = replace(verdict("facts", 0.0), outcome="not_gained", n=0, reason="not certified; no more is told")
    assert say(wording.why(sealed), "en") == "not certified; no more is told"
