"""Events as lines: what the chat template and the length made of the rows is said aloud, by source."""

from __future__ import annotations

from typing import Any

from forgetless.cli.narration import event_line
from forgetless.records import to_json
from forgetless.tokens import Account

NOTHING = Account(10, 10, 0, 0, 0, 0, 0, 0, {})


def mixture(**accounts: Account) -> dict[str, Any]:
    shares = [{"source": name, "asked": 0.5, "realised": None} for name in accounts]
    return {"event": "mixture", "shares": shares, "steps": 3, "tokens": 1200, "accounts": to_json(accounts)}


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


def test_what_the_base_itself_answered_without_thoughts_teaches_nothing_new() -> None:
    assert len(event_line(mixture(replay=Account(9, 9, 0, 0, 0, 6, 0, 0, {}))).splitlines()) == 1


def test_the_modes_of_replay_are_told() -> None:
    event = {"event": "replay", "rows": 9, "prompts": "self", "covered": {}, "modes": {"on": 5, "off": 4}}
    assert "5 of them with thinking switched on and 4 with it off" in event_line(event)
