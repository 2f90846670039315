"""Rows made by several processes: the same rows and rejects in the same order, whatever becomes of a process."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from forgetless.recipe import RowTemplate
from forgetless.sources import Record, Reject, making
from forgetless.sources.making import RowMaker, make_rows
from forgetless.sources.store import Part

MAKER = RowMaker(("question", "answer"), None, "prompt_completion", "s", prompts_only=False)
RECORDS = [
    Reject(f"f:{i}", "broken", "{") if i % 7 == 3 else Record(f"f:{i}", {"question": f"q{i}", "answer": "a" * (i % 5)})
    for i in range(100)
]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "RECORDS_AT_ONCE", 8)
    monkeypatch.setattr(making, "_ALONE", 2)
    monkeypatch.setattr("loky.cpu_count", lambda: 2)


def told(parts: Any) -> tuple[list[Any], list[Reject]]:
    made = list(parts)
    return [row for part in made for row in part.rows.to_pylist()], [r for part in made for r in part.rejects]


def test_several_processes_make_what_one_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    several = told(make_rows(MAKER, RECORDS))
    assert several == told([MAKER.part(RECORDS)])
    assert [row["origin"] for row in several[0]][:3] == ["f:1", "f:2", "f:4"]
    monkeypatch.setattr("loky.cpu_count", lambda: 1)
    assert told(make_rows(MAKER, RECORDS)) == several


def test_a_template_goes_along() -> None:
    template = RowTemplate(prompt="{question}?", completion="{answer}!")
    maker = RowMaker(("question", "answer"), template, "template", "s", prompts_only=False)
    lacking = [*RECORDS, Record("f:100", {"question": "only"})]
    rows, rejects = told(make_rows(maker, lacking))
    assert (rows, rejects) == told([maker.part(lacking)])
    assert rejects[-1].origin == "f:100"


class Dying(RowMaker):
    """Falls where it is not at home, as a process that is short of memory does."""

    def part(self, records: Any) -> Part:
        if os.getpid() != int(os.environ["HOME_PROCESS"]):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().part(records)


def test_a_process_that_is_killed_costs_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME_PROCESS", str(os.getpid()))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
    dying = Dying(("question", "answer"), None, "prompt_completion", "s", prompts_only=False)
    assert told(make_rows(dying, RECORDS)) == told([MAKER.part(RECORDS)])


def test_an_error_while_records_are_read_is_the_readers_own() -> None:
    def records() -> Any:
        yield from RECORDS[:60]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(make_rows(MAKER, records()))
