from __future__ import annotations

import re
from dataclasses import replace

import pytest
from page_checks import Page, problems

from forgetless.records import Example
from forgetless.reporting import ArmText, View, render_comparison


@pytest.fixture(scope="module")
def page(gentle: View, rough: View) -> str:
    texts = {"plain": ArmText({"en": "Plain <b>", "zh": "普通微调"}, {"en": "note"}, "plain/report.html")}
    return render_comparison({"plain": rough, "held": gentle}, texts=texts, title={"en": "Two ways", "zh": "两种方式"})


def test_the_page_is_sound_and_bilingual(page):
    assert problems(page) == []
    assert "Two ways" in page
    assert "两种方式" in page
    assert "Plain <b>" in Page(page).text


def test_every_cell_says_its_outcome_in_words(page):
    cells = re.findall(r'<td class="cell (\w+)" style="--heat:(\d+)%">(.*?)</td>', page, re.DOTALL)
    assert len(cells) == 22
    words = {"gained": "gained", "dropped": "dropped", "kept": "kept"}
    assert all(words[outcome] in content for outcome, _, content in cells)
    heats = [int(heat) for outcome, heat, _ in cells if outcome == "dropped"]
    assert max(heats) > min(heats)


def test_one_question_shows_every_arms_answer(page):
    asked = next(
        q for q in re.findall(r'<article class="sample question">.*?</article>', page, re.DOTALL) if "47 + 38" in q
    )
    text = Page(asked).text
    assert "85" in text
    assert '{"intent": "fees"}' in text


def test_arms_with_different_questions_share_none(gentle, rough):
    other = replace(rough, samples=(Example("lookup", "something else"),))
    assert "every model's answer" not in Page(render_comparison({"a": gentle, "b": other})).text


def test_an_arm_without_a_certificate_has_no_verdicts(gentle):
    html = render_comparison({"done": gentle, "young": View("young")}, language="zh")
    assert problems(html) == []
    assert "没有判定" in html
    assert "同一任务，2 种微调" in html


def test_the_base_has_the_score_on_the_most_items(gentle, rough):
    name, verdict = next(iter(gentle.verdicts.items()))
    many = replace(verdict, base_score=0.4321, n=verdict.n + rough.verdicts[name].n)
    held = replace(gentle, certificate=replace(gentle.certificate, verdicts=(many, *gentle.certificate.verdicts[1:])))
    assert "43.2%" in Page(render_comparison({"plain": rough, "held": held})).text


def test_it_says_how_far_from_the_base_everything_is_kept(gentle, rough):
    domain = replace(gentle.domain, tuned_score=0.6543)
    between = replace(gentle.certificate, certified=False, certified_a=0.25, certified_domain=domain)
    nowhere = replace(rough.certificate, certified=False, certified_a=0.0, certified_domain=None)
    arms = {"plain": replace(rough, certificate=nowhere), "held": replace(gentle, certificate=between)}
    text = Page(render_comparison(arms)).text
    assert "a = 0.25, domain 65.4%" in text
    assert "a = 0, the base itself" in text
