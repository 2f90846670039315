from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest
from page_checks import Page, problems
from synthetic_run import GENTLE, INJECTION, events, write_events

from forgetless.records import Certificate, Example, Judgements, SubjectEstimate
from forgetless.reporting import View, build_view, render_report, write_report
from forgetless.reporting.view import LogPoint, Moment


def test_a_page_is_sound_and_fetches_nothing(gentle_page, rough_page):
    assert problems(gentle_page) == []
    assert problems(rough_page) == []
    assert "http" not in gentle_page.replace("http-equiv", "")


def test_what_a_model_wrote_is_text(gentle_page):
    page = Page(gentle_page)
    assert INJECTION in page.text
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert '{"prompt": "<b>"}' in page.text


@pytest.mark.parametrize("where", ["name", "recipe", "capability", "reason", "hash"])
def test_text_from_any_place_is_escaped(gentle, where):
    certificate = gentle.certificate
    changed = {
        "name": lambda: replace(gentle, name=INJECTION),
        "recipe": lambda: replace(gentle, recipe=INJECTION),
        "capability": lambda: replace(gentle, samples=(Example(INJECTION, "p"),)),
        "reason": lambda: replace(gentle, chosen=Moment(5, INJECTION)),
        "hash": lambda: replace(gentle, certificate=replace(certificate, model_hash=INJECTION, missing=(INJECTION,))),
    }[where]()
    page = Page(render_report(replace(changed, evaluations=gentle.evaluations[:1], logs=())))
    assert not page.wrong
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert sum(tag == "img" for tag, _ in page.tags) == 0


def test_only_the_pages_own_script_may_run(gentle_page):
    script = re.search(r"<script>(.*?)</script>", gentle_page, re.DOTALL).group(1)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in gentle_page
    assert "default-src 'none'" in gentle_page


def test_a_page_is_small(gentle_page, rough_page):
    assert len(gentle_page.encode()) < 500_000
    assert len(rough_page.encode()) < 500_000


def test_a_judge_that_contradicts_itself_is_told_beside_its_verdict(gentle):
    judged = Judgements(asked=200, disagreed=50, unreadable=10)
    first, *others = gentle.certificate.verdicts
    certificate = replace(
        gentle.certificate,
        verdicts=(replace(first, judgements=judged), *others),
        domain=replace(gentle.certificate.domain, judgements=judged),
    )
    view = replace(gentle, certificate=certificate)
    assert render_report(view).count("contradicted itself on 26.3% of 200 pairs") == 2
    assert "contradicted itself" not in render_report(gentle)


def test_a_very_long_answer_is_cut(gentle):
    long = replace(gentle, samples=(Example("lookup", "p", after="x" * 5_000_000),), evaluations=(), logs=())
    assert len(render_report(long).encode()) < 500_000


def test_both_languages_are_inside_and_one_is_chosen(gentle_page, rough_page):
    for page in (gentle_page, rough_page):
        assert "逐项判定" in page
        assert "Every ability that was to be kept" in page
    assert '<html lang="en"' in gentle_page
    assert '<html lang="zh-Hans"' in rough_page
    assert re.search(r'id="language-zh" value="zh" checked', rough_page)


def test_a_language_never_stands_alone(gentle_page):
    assert gentle_page.count('<span class="en"') == gentle_page.count('<span class="zh"')


def test_every_ability_has_its_verdict_in_words(rough_page):
    rows = re.findall(r'<tr class="(\w+)">\s*<th scope="row">(\w+)<small', rough_page)
    assert len(rows) == 10
    assert all(re.search(rf"{name}.*?(dropped|kept|undecided)", rough_page, re.DOTALL) for _, name in rows)


def test_the_same_run_gives_the_same_page(gentle, gentle_page):
    assert render_report(gentle) == gentle_page


def test_a_young_run_shows_the_dev_part_and_says_so(tmp_path: Path):
    write_events(tmp_path, events(GENTLE, alarms=False)[:20])
    html = render_report(build_view(tmp_path))
    assert problems(html) == []
    assert "The test part has not been touched yet" in html
    assert "not tested yet" in html
    assert "There is no certificate yet" in html


def test_a_run_that_has_only_begun_shows_dashes_and_never_a_zero(tmp_path: Path):
    write_events(tmp_path, [])
    html = render_report(build_view(tmp_path))
    assert problems(html) == []
    tiles = re.search(r'<dl class="tiles">.*?</dl>', html, re.DOTALL).group()
    assert re.findall(r"<b>(.*?)</b>", tiles) == ["–"] * 4


def test_a_certificate_with_nothing_but_its_frame_is_shown(gentle):
    bare = replace(gentle.certificate.domain, base_score=None, tuned_score=None, estimate=None, lower=None, upper=None,
                   interval=None, outcome="not_gained", n=0)  # fmt: skip
    frame = Certificate("", "", False, 0.05, 1, 10, "", bare, (replace(bare, capability="a", outcome="undecided"),))
    html = render_report(View("bare", certificate=frame))
    assert problems(html) == []
    assert "–" in Page(html).text


def test_a_log_of_unknown_numbers_draws_no_chart():
    html = render_report(View("x", logs=(LogPoint(1), LogPoint(2))))
    assert "Nothing has been logged" in html


def test_untested_positions_of_the_path_are_shown_as_such(rough_page):
    assert rough_page.count('<li class="not_tested">') == 6
    assert rough_page.count('<li class="failed">') == 1


def test_write_report_puts_one_file_into_the_run(gentle_run: Path):
    before = set(gentle_run.iterdir())
    path = write_report(gentle_run)
    assert path == gentle_run / "report.html"
    assert set(gentle_run.iterdir()) - before == {path}
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_diagnosis_stands_beside_the_verdict(gentle):
    first, *others = gentle.certificate.verdicts
    told = replace(
        first,
        noise=0.004,
        n=180,
        planned_n=2000,
        losses_beyond_guessing=3.5,
        gains_beyond_guessing=0.0,
        subjects=(SubjectEstimate("law", 40, 0.5, 0.4, 5, 1), SubjectEstimate(INJECTION, 60, 0.5, 0.5, 0, 0)),
    )
    page = Page(
        render_report(replace(gentle, certificate=replace(gentle.certificate, verdicts=(told, *others), strict=True)))
    )
    assert not page.wrong
    for said in (
        "stopped early: 180 of 2,000 items",
        "beyond guessing: 3.5 lost, 0 won",
        "at most 0.4 points",
        "2 subjects",
        "law: 50.0%",
        INJECTION,
    ):
        assert said in page.text, said
    assert "strict" in page.text


def test_the_page_shows_what_moved_the_multipliers_and_nothing_where_nothing_did(gentle, gentle_page):
    assert "3 → 4.5" in gentle_page
    assert "6.0% → 9.0%" in gentle_page
    assert "of its own kind" in gentle_page
    assert 'class="moves"' not in render_report(replace(gentle, adjustments=()))
