"""Verdicts as JUnit XML, which every CI service shows beside its own tests.

One test case for each capability: *dropped* is a failure, *undecided* an error (the items cannot tell), *absent* is
skipped, *kept* passes. The figures stand in the case's output.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from forgetless.records import Verdict

_RESULTS = {"dropped": "failure", "undecided": "error", "absent": "skipped"}


def junit_xml(verdicts: Sequence[Verdict]) -> str:
    """A test suite `forgetless` with a case for each verdict."""
    suite = ElementTree.Element("testsuite", name="forgetless", tests=str(len(verdicts)))
    for result, counted in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(counted, str(sum(_RESULTS.get(verdict.outcome) == result for verdict in verdicts)))
    for verdict in verdicts:
        case = ElementTree.SubElement(suite, "testcase", classname="forgetless.keep", name=verdict.capability)
        if verdict.outcome in _RESULTS:
            message = f"{verdict.outcome}: {verdict.reason}" if verdict.reason else verdict.outcome
            ElementTree.SubElement(case, _RESULTS[verdict.outcome], message=message)
        ElementTree.SubElement(case, "system-out").text = _figures(verdict)
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _figures(verdict: Verdict) -> str:
    figures = {
        "base": verdict.base_score,
        "tuned": verdict.tuned_score,
        "difference": verdict.estimate,
        "lower bound": verdict.lower,
        "upper bound": verdict.upper,
        "margin": verdict.margin,
    }
    told = [f"{name} {value:.4f}" for name, value in figures.items() if value is not None]
    return ", ".join([*told, f"n {verdict.n}", f"alpha {verdict.alpha:g}"])
