"""Verdicts as JUnit XML: sound whatever the words are, and with figures where a reader looks."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

from forgetless.records import Verdict
from forgetless.reporting import junit_xml

KEPT = Verdict("maths", "kept", 400, 0.05, 0.02, 0.9, 0.895, -0.005, -0.015, 0.005, (-0.02, 0.01), 4, 2)
LOST = Verdict("law", "dropped", 300, 0.05, 0.02, 0.9, 0.8, -0.1, -0.14, -0.07, (-0.15, -0.06), 32, 2,
               reason="at best -7 points, beyond the margin of -2 points")  # fmt: skip
FIGURES = "base 90.0%, tuned 80.0%, change −10.0 points [−15.0, −6.0], margin 2, 300 items, 32 lost, 2 won, alpha 0.05"


def test_a_drop_tells_its_figures_in_the_message_and_in_the_text() -> None:
    suites = ElementTree.fromstring(junit_xml([KEPT, LOST]))
    (failure,) = suites.iter("failure")
    assert failure.get("message") == f"dropped: {LOST.reason} ({FIGURES})"
    assert failure.text == f"dropped: {LOST.reason}\n{FIGURES}"
    assert [told.text for told in suites.iter("system-out")][1] == FIGURES


def test_a_verdict_that_stopped_early_says_on_how_many_items() -> None:
    suites = ElementTree.fromstring(junit_xml([replace(LOST, planned_n=4000)]))
    (told,) = suites.iter("system-out")
    assert "stopped early: 300 of 4000 items" in str(told.text)


def test_the_file_declares_the_encoding_that_it_has() -> None:
    assert junit_xml([KEPT]).startswith("<?xml version='1.0' encoding='utf-8'?>")


def test_suite_and_suites_count_alike() -> None:
    suites = ElementTree.fromstring(junit_xml([KEPT, LOST, LOST]))
    for counted in (suites, *suites):
        assert [counted.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["3", "2", "0", "0"]


def test_unknown_numbers_are_dashes() -> None:
    bare = Verdict("law", "undecided", 0, 0.05, 0.02, reason="needs at least 2 items, has 0")
    assert "base –, tuned –" in junit_xml([bare])


def test_what_xml_cannot_hold_is_replaced() -> None:
    odd = Verdict('a\x1b[1m<&"\ud800', "dropped", 9, 0.05, 0.02, reason="because\x00")
    suites = ElementTree.fromstring(junit_xml([odd]).encode("utf-8"))
    (case,) = suites.iter("testcase")
    assert case.get("name") == 'a�[1m<&"�'
    (failure,) = suites.iter("failure")
    assert failure.get("message", "").startswith("dropped: because�")
