"""What a run says while it goes on, what became of the rows among it."""

from __future__ import annotations

from typing import Any

import pytest

from forgetless.cli.narration import event_line
from forgetless.records import to_json
from forgetless.tokens import Account

NOTHING = Account(10, 10, 0, 0, 0, 0, 0, 0, {})


def replay(**covered: bool | None) -> dict[str, Any]:
    return {"event": "replay", "rows": 1200, "prompts": "given", "covered": covered}


def mixture(**accounts: Account) -> dict[str, Any]:
    shares = [{"source": name, "asked": 0.5, "realised": None} for name in accounts]
    return {"event": "mixture", "shares": shares, "steps": 3, "tokens": 1200, "accounts": to_json(accounts)}


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


def test_what_was_seen_in_a_sample_is_said_to_be() -> None:
    account = Account(3990, 3990, 0, 0, 0, 0, 0, 0, {"is too long": 10}, sampled_from=1_000_000)
    first, lengths, left_out = event_line(mixture(tickets=account)).splitlines()
    assert first == "mixture: tickets 50 %; about 1,200 tokens in 3 steps"
    assert "found in a sample of 4,000 of 1,000,000 rows" in lengths
    assert left_out.endswith("in a sample of 4,000 of 1,000,000 rows: left out 10 rows: is too long")


def test_sources_without_anything_to_tell_get_no_line() -> None:
    assert event_line(mixture(tickets=NOTHING)) == "mixture: tickets 50 %; 1,200 tokens in 3 steps"


def test_everything_that_happened_to_the_rows_is_told_by_source() -> None:
    account = Account(9, 14, 4, 1, 0, 6, 2, 310, {"is longer than the 512 tokens": 2, "no assistant turn": 1})
    lines = event_line(mixture(tickets=account, general=NOTHING)).splitlines()
    assert lines[0].startswith("mixture: tickets 50 %, general 50 %")
    assert lines[1:] == [
        "  tickets: left out 2 rows: is longer than the 512 tokens",
        "  tickets: left out 1 row: no assistant turn",
        "  tickets: 4 rows trained turn by turn, 14 documents in all: the chat template rewrites earlier turns once a "
        "conversation goes on",
        "  tickets: prompts of 2 rows cut at the left, by 310 tokens",
        "  tickets: 1 row with the spelling of special tokens, read as plain text",
        "  tickets: 6 answers without thoughts, which teach a model that thinks to think no more",
    ]


def test_texts_in_pieces_are_told() -> None:
    account = Account(9, 40, 0, 0, 0, 0, 0, 0, {}, split_texts=3)
    (_, line) = event_line(mixture(books=account)).splitlines()
    assert line == "  books: 3 rows of raw text trained in pieces, 40 documents in all"


def test_what_the_base_itself_answered_without_thoughts_teaches_nothing_new() -> None:
    for stream in ("replay", "replay/maths"):
        assert len(event_line(mixture(**{stream: Account(9, 9, 0, 0, 0, 6, 0, 0, {})})).splitlines()) == 1


def test_holes_are_told_with_what_became_of_them() -> None:
    holes = {
        "maths": {"likeness": 0.2, "prompts": 50, "filled": True},
        "code": {"likeness": 0.1, "prompts": 48, "filled": False},
    }
    told = {"forms": 312, "self_written": 2000, "holes": holes}
    line = event_line(replay(maths=True, code=False, chinese=False) | told)
    assert ", the prompts taken in turns from 312 forms among 2,000 self-written ones;" in line
    assert "; holes that the base filled: maths (50 prompts);" in line
    tried = "code (a hole that 48 prompts written for it did not fill)"
    assert line.endswith(f"; no prompts of their own kind: {tried}, chinese")


def test_the_modes_of_replay_and_refused_prompts_are_told() -> None:
    line = event_line(replay(maths=True) | {"modes": {"on": 5, "off": 4}, "refused": 1200})
    assert ", 1,200 prompts refused by the chat template" in line
    assert "5 of them with thinking switched on and 4 with it off" in line
    assert line.endswith("; every ability is covered")


def test_a_move_is_told_with_its_reason() -> None:
    reason = "reversing fell 4.2 points of a budget of 1.1 points: λ 8 → 12, share 6 % → 9 %"
    assert event_line({"event": "adjustment", "step": 40, "reason": reason}) == f"step 40: {reason}"


def test_a_sweep_is_told_by_its_rungs() -> None:
    trials = [{"ends": [4, 12], "steps": 12}, {"ends": [8, 24], "steps": 24}]
    plan = {"trials": trials, "combinations": 9, "field": [2, 1], "steps": 1080, "seconds": 7200, "warnings": ["short"]}
    assert event_line({"event": "sweep", **plan, "disk": {"needed_bytes": 2.5e9}}) == (
        "sweep: 2 trials of 9 combinations; 2 to 33 % of a run, 1 to 100 % of a run; about 1,080 steps in all; "
        "2 h 00 min; disk 2.5 GB\n  warning: short"
    )
    begun = {"event": "trial", "trial": "trial-02", "values": {"a.b": 1, "c": "x"}, "rung": 1, "rungs": 2, "until": 8}
    assert event_line(begun) == "trial-02 (a.b: 1, c: x): rung 1 of 2, to step 8"
    ranked = {"event": "rung", "rung": 1, "ranked": ["trial-02", "trial-01"]}
    assert event_line({**ranked, "on": ["trial-02"]}) == (
        "rung 1, the best first: trial-02, trial-01; going on: trial-02"
    )
    assert event_line({**ranked, "on": ranked["ranked"]}) == "rung 1, the best first: trial-02, trial-01"
