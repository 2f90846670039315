"""The page of two finished models, made of the report's own parts."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from page_checks import Page, problems
from synthetic_run import INJECTION

from forgetless.records import CompareResult, Example, ItemResult, Verdict
from forgetless.reporting import render_compared
from forgetless.reporting.phrases import Recorded, say
from forgetless.verdicts import judge_all


def results(name: str, n: int, wrong: int) -> list[ItemResult]:
    return [ItemResult(f"{name}{i}", float(i >= wrong), subject=f"part {i % 2}") for i in range(n)]


@pytest.fixture(scope="module")
def compared() -> CompareResult:
    both = {name: (results(name, 400, 20), results(name, 400, wrong)) for name, wrong in (("maths", 20), ("law", 120))}
    verdicts = judge_all(both, margins={"maths": 0.05, "law": 0.05}, chances={"law": 0.25})
    examples = (
        Example("law", "Q?", "yes", "yes", INJECTION, 1.0, 0.0),
        Example("law", "R?", "yes", "no", "yes", 0.0, 1.0),
    )
    notes = ("law: `acc` through the filter `none`; guessing scores 25 points; the margin is 5 points, as asked",)
    return CompareResult(tuple(verdicts), None, notes, examples)


@pytest.fixture(scope="module")
def page(compared: CompareResult) -> str:
    return render_compared(compared, base="out/base", tuned="out/<tuned>")


def test_the_page_is_sound_and_says_what_happened(page: str) -> None:
    assert problems(page) == []
    text = Page(page).text
    assert "The tuned model against its base: 1 of 2 abilities kept; 1 dropped (law)." in text
    assert "out/base → out/<tuned>" in text
    assert "100 lost, 0 won" in text
    assert "95% interval" in text
    assert INJECTION in text


def test_both_languages_are_inside(page: str) -> None:
    assert page.count('<span class="en"') == page.count('<span class="zh"')
    assert "微调模型与基座相比：2 项能力保住 1 项；1 项下降（law）。" in Page(page).text


def test_items_that_turned_either_way_are_shown(page: str) -> None:
    summary = re.search(r'<details class="group".*?</summary>', page, re.DOTALL).group()
    assert "right → wrong" in summary
    assert "wrong → right" in summary


def test_what_the_verdicts_rest_on_is_told_in_both_languages(page: str) -> None:
    rests = page[page.index('<section id="rests">') :]
    assert "guessing scores 25 points" in rests
    assert "随机作答得 25 个百分点" in rests


def test_long_notes_have_a_row_of_their_own(page: str) -> None:
    why = re.findall(r'<td class="why">(.*?)</td>', page, re.DOTALL)
    assert len(why) == 2
    assert not any("subjects" in cell for cell in why)
    beside = re.findall(r'<tr class="beside"><td colspan="(\d)">(.*?)</tr>', page, re.DOTALL)
    assert len(beside) == 2
    columns = page[page.index("<thead>") : page.index("</thead>")].count('<th scope="col"')
    assert {int(span) for span, _ in beside} == {columns}
    assert all("2 subjects, for diagnosis only" in told for _, told in beside)


def test_a_domain_is_shown_where_there_is_one(compared: CompareResult) -> None:
    domain = Verdict("domain", "gained", 300, 0.05, None, 0.5, 0.8, 0.3, 0.25, 0.35, (0.24, 0.36), losses=0, gains=90)
    html = render_compared(replace(compared, domain=domain), base="a", tuned="b")
    assert problems(html) == []
    assert '<section id="domain">' in html
    assert "80.0%" in html


def test_a_comparison_without_notes_or_examples(compared: CompareResult) -> None:
    html = render_compared(replace(compared, notes=(), examples=()), base="a", tuned="b", language="zh")
    assert problems(html) == []
    assert "Both models were asked in this process" in html


@pytest.mark.parametrize(
    "note",
    [
        "base is read as lm-eval samples: 8 files in out/base, of which 2 older ones are left aside",
        "tuned is read as lm-eval samples: 1 file in out/tuned",
        "the base was not asked `new`, so nothing is said about it",
        "samples do not tell how far the base differs from itself in other batches: it is taken as 0",
        "gsm8k: `exact_match` through the filter `strict-match`; guessing scores 0 points; the margin is 2.2 points, "
        "the smallest that 1319 items can certify",
        "mmlu: `acc` through the filter `none` over 57 tasks; guessing scores 25 points; the margin is 1 point, "
        "as asked",
        "quiz: 7 prompts differ, which counts as a difference between the models",
        "quiz: 2 items ask the same again and are left out",
        "tuned is asked by messages: the server's own chat template writes its prompts (no `tokenizer` is named)",
        "base is asked at an endpoint, which decides by itself what it answers together: how far it differs from "
        "itself is not measured, and taken as 0",
        "tuned is asked at an endpoint and the other model in this process: where the two engines round or decode "
        "differently, that counts as a difference between the models",
    ],
)
def test_every_note_reads_as_chinese(note: str) -> None:
    chinese = say(Recorded(note), "zh")
    assert re.search(r"[\u4e00-\u9fff]", chinese), chinese
    assert not re.search(r"\b(is|are|the|that|of)\b", chinese), chinese
