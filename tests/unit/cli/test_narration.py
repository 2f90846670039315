"""What a run says while it goes on."""

from __future__ import annotations

from typing import Any

import pytest

from forgetless.cli.narration import event_line


def replay(**covered: bool | None) -> dict[str, Any]:
    return {"event": "replay", "rows": 1200, "prompts": "given", "covered": covered}


@pytest.mark.parametrize(
    ("covered", "said"),
    [
        ({"maths": True, "chinese": True}, "; every ability is covered"),
        ({"maths": True, "chinese": False}, "; no prompts of their own kind: chinese"),
        ({"maths": None, "chinese": True}, "; cover unknown: maths"),
        ({"maths": None, "chinese": False}, "; no prompts of their own kind: chinese; cover unknown: maths"),
    ],
)
def test_an_ability_counts_as_covered_only_when_it_is_known_to_be(covered: dict[str, bool | None], said: str) -> None:
    assert event_line(replay(**covered)) == f"replay: 1,200 rows answered by the base (given prompts){said}"


def test_an_evaluation_names_what_fell_furthest() -> None:
    capabilities = [
        {"capability": name, "estimate": e, "outcome": "absent" if e is None else "kept"}
        for name, e in (("a", 0.01), ("b", -0.2), ("c", None))
    ]
    event = {"event": "evaluation", "step": 50, "domain": {"score": 0.5}, "capabilities": capabilities}
    assert event_line(event) == "step 50: domain 50.0 %; largest changes in points: b -20.0, a +1.0" + (
        "; the base cannot do, so nothing to keep: c"
    )


def test_a_step_that_has_nothing_to_keep_says_so() -> None:
    event = {"event": "path", "a": 0.25, "passed": False, "verdicts": [{"capability": "a", "outcome": "absent"}]}
    assert event_line(event) == "path: a = 0.25 failed (nothing there to keep)"


def test_an_event_for_the_page_alone_has_no_line() -> None:
    assert event_line({"event": "samples", "items": []}) == ""
