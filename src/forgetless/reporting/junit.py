"""Verdicts as JUnit XML, which every CI service shows beside its own tests.

One test case for each capability: *dropped* is a failure, *undecided* an error (the items cannot tell), *absent* is
skipped, *kept* passes. The figures stand in the message and in the case's output.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree

from forgetless.records import Verdict
from forgetless.reporting import numbers

_RESULTS: Final = {"dropped": "failure", "undecided": "error", "absent": "skipped"}
_NO_XML: Final = re.compile(r"[^\t\n\r -\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")


def junit_xml(verdicts: Sequence[Verdict]) -> str:
    """A test suite `forgetless` with a case for each verdict."""
    results = [_RESULTS.get(verdict.outcome) for verdict in verdicts]
    counts = {"tests": str(len(verdicts))} | {
        counted: str(results.count(result))
        for result, counted in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped"))
    }
    suites = ElementTree.Element("testsuites", counts, name="forgetless")
    suite = ElementTree.SubElement(suites, "testsuite", counts, name="forgetless")
    for verdict, result in zip(verdicts, results, strict=True):
        case = ElementTree.SubElement(
            suite, "testcase", classname="forgetless.keep", name=_writable(verdict.capability)
        )
        if result:
            message = f"{verdict.outcome}: {verdict.reason}" if verdict.reason else verdict.outcome
            told = ElementTree.SubElement(case, result, message=_writable(f"{message} ({_figures(verdict)})"))
            told.text = None if result == "skipped" else _writable(f"{message}\n{_figures(verdict)}")
        ElementTree.SubElement(case, "system-out").text = _figures(verdict)
    ElementTree.indent(suites)
    # As text it would declare the encoding of this machine, and the file is written in UTF-8 everywhere.
    return ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True).decode("utf-8") + "\n"


def _figures(verdict: Verdict) -> str:
    lower, upper = verdict.interval or (None, None)
    early = verdict.planned_n is not None
    told = [
        f"base {numbers.percent(verdict.base_score)}",
        f"tuned {numbers.percent(verdict.tuned_score)}",
        f"change {numbers.points(verdict.estimate)} points {numbers.bounds(lower, upper)}",
        f"margin {numbers.margin(verdict.margin)}",
        f"stopped early: {verdict.n} of {verdict.planned_n} items" if early else f"{verdict.n} items",
        f"{verdict.losses} lost",
        f"{verdict.gains} won",
        f"alpha {verdict.alpha:g}",
    ]
    return ", ".join(told)


def _writable(text: str) -> str:
    """Text without the characters that XML cannot hold, such as those that colour a terminal."""
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
