"""What `forgetless plan` prints, and what a run says of its plan."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from forgetless.cli.narration import duration, event_line
from forgetless.cli.plan_page import show_plan, size
from forgetless.planning import Cadence, CapabilityPlan, Cost, DomainPlan, Plan, Room, SourcePlan, Speeds
from forgetless.planning.capabilities import warnings_about
from forgetless.recipe import READY_SETS
from forgetless.records import from_json, to_json
from forgetless.tokens import Account

Command = Callable[..., Any]

ACCOUNT = Account(
    rows=900, documents=950, split_rows=50, plain_specials=0, split_boundaries=0, thoughtless=0, cut_rows=0,
    cut_tokens=0, rejected={"is [too] long": 4},
)  # fmt: skip
PLAN = Plan(
    name="small",
    epochs=2.0,
    steps=400,
    tokens=800_000,
    tokens_per_step=2_000,
    alpha=0.05,
    budget_percent=15.0,
    sources=(
        SourcePlan("tickets", "domain", 900, 3, 0, 90, 0, 4, 0, None, 0.7, 0.702, 561_600, 5.0, ACCOUNT),
        SourcePlan("replay", "replay", 500, 0, 2, 0, 1, 0, 0, 12.5, 0.3, 0.298, 238_400, 1.5),
    ),
    capabilities=(
        CapabilityPlan("maths", False, 120, 800, 800, 0.1, 0.041, False, 0.0393, 0.0281, 0.0402, 0.003),
        CapabilityPlan("reading", False, 120, 600, 150, 0.1, 0.02, True, None, 0.09, 0.12, 0.0),
    ),
    domain=DomainPlan(60, 120, 0.08),
    cadence=Cadence(40, 120, 10, 0.142, True, False, False),
    bill=(
        Cost("replay", 4000.0, 61_000),
        Cost("training", 7200.0),
        Cost("looks", 1022.0, 90_000),
        Cost("base_dev", 0.0, kept=True),
        Cost("certificate", 3600.0, 200_000),
        Cost("base_test", 0.0),
    ),
    seconds=15_822.0,
    memory=Room(2_200_000_000, 16_000_000_000),
    disk=Room(40_000_000, 90_000_000_000),
    speeds=Speeds(18.0, 5, 1234.0, None, "cpu"),
    chosen=("maths: a margin of 4.1 points",),
    notes=("assumed: [much]",),
    warnings=("reading: likely to end undecided",),
)


def printed(plan: Plan = PLAN, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, soft_wrap=True, highlight=False)
    show_plan(plan, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def row(name: str, **changes: Any) -> str:
    return next(line for line in printed(**changes).splitlines() if line.strip().startswith(name))


def test_figures_are_there_in_units_that_people_read() -> None:
    text = printed()
    for shown in ("400 steps of about 2,000 tokens, 800,000 in all", "10 looks, every 40 steps", "14.2 % of the"):
        assert shown in " ".join(text.split())
    assert row("maths").split() == ["maths", "120", "800", "4.1", "*", "3.9", "2.8", "4.0", "0.3"]
    assert "600 in 150" in " ".join(row("reading", width=120).split())
    assert "none" in row("reading", width=120)
    assert row("domain").split() == ["domain", "60", "120", "+8.0"]
    assert "* chosen: not given in the recipe" in text
    assert "memory: 2.2 GB at the fullest, 16.0 GB there on cpu" in text
    assert "disk: 40.0 MB at the fullest, 90.0 GB there" in text
    assert "18 s a step (mean of 5), 1,234 prompt tokens/s\n" in text
    assert "chosen: maths: a margin of 4.1 points\nnote: assumed: [much]\n" in text
    assert "warning: reading: likely to end undecided" in text


def test_the_names_of_all_ready_sets_stand_whole_in_a_narrow_terminal() -> None:
    own = tuple(dataclasses.replace(PLAN.capabilities[0], capability=name) for name in READY_SETS)
    text = printed(dataclasses.replace(PLAN, capabilities=own))
    assert all(name in text for name in READY_SETS)
    assert "…" not in text


def test_abilities_that_hardly_hold_together_are_warned_of_in_one_line() -> None:
    items = enumerate((300, 280, 240))
    alike = [dataclasses.replace(PLAN.capabilities[0], capability=f"c{i}", units=n, margin=0.05) for i, n in items]
    together = [dataclasses.replace(c, certifiable_margin=0.049, certifiable_together=0.07, aim=0.0) for c in alike]
    (warning,) = warnings_about(together, alpha=0.05)
    assert warning.startswith("c0, c1, c2: each is likely to be kept")
    few = [dataclasses.replace(together[0], certifiable_margin=0.06), *together[1:]]
    assert [w.split(":")[0] for w in warnings_about(few, alpha=0.05)] == ["c0", "c1, c2"]


def test_what_was_left_out_is_told_with_its_reason() -> None:
    wide = " ".join(printed(width=140).split())
    assert "3 unreadable, 90 to measure the domain, 4 too long" in wide
    assert "2 duplicates, 1 asked by an item, 12 % of answers cut" in wide


def test_what_the_chat_template_made_of_the_rows_is_told() -> None:
    text = printed()
    assert "tickets: left out 4 rows: is [too] long\n" in text
    assert "tickets: 50 rows trained turn by turn, 950 documents in all" in text


def test_the_bill_has_a_line_for_every_work_and_a_sum() -> None:
    assert row("training").split() == ["training", "2", "h", "00", "min"]
    assert "kept from an earlier run" in row("base, dev part")
    assert "base, test part" not in printed()
    assert row("in all").split() == ["in", "all", "4", "h", "24", "min", "351,000"]


def test_what_an_endpoint_generates_has_no_hours() -> None:
    served = dataclasses.replace(PLAN, bill=(Cost("replay", 0.0, 61_000, elsewhere=True), *PLAN.bill[1:]))
    assert " ".join(row("replay, answered", plan=served).split()).endswith("at an endpoint 61,000")


def test_one_look_is_the_last_step_s() -> None:
    plan = dataclasses.replace(PLAN, cadence=dataclasses.replace(PLAN.cadence, looks=1))
    assert "one look, at the last step, at up to 120 items" in " ".join(printed(plan).split())


def test_margins_that_were_given_have_no_mark() -> None:
    given = tuple(dataclasses.replace(c, margin_given=True) for c in PLAN.capabilities)
    assert "*" not in printed(dataclasses.replace(PLAN, capabilities=given))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0 s"), (0.25, "0.2 s"), (34.2, "34 s"), (89.6, "90 s"), (300.0, "5 min"), (7500.0, "2 h 05 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_sizes() -> None:
    assert (size(2_000_000), size(150_000_000)) == ("2.0 MB", "0.1 GB")


def test_a_run_tells_its_plan_in_a_few_lines() -> None:
    first, *rest = event_line({"event": "plan", **to_json(PLAN)}).splitlines()
    assert first.startswith(
        "plan: about 4 h 24 min in all; 400 steps; 10 looks at up to 120 items a task, one every 40"
    )
    assert "(14 % of the training time); memory 2.2 GB; disk 0.0 GB" in first
    assert rest == ["  chosen: maths: a margin of 4.1 points", "  warning: reading: likely to end undecided"]


def test_a_plan_is_printed_and_written_as_json(command: Command, recipe: Command, rows: Path, tmp_path: Path) -> None:
    result = command("plan", recipe(), "--json", "plan.json")
    assert result.code == 0, result.err
    plan = from_json(Plan, json.loads(Path("plan.json").read_text("utf-8")))
    assert (plan.name, plan.steps, plan.cadence.dev_items) == ("small", 1, 2)
    assert "Bill: one look, at the last step" in result.out
    assert not (tmp_path / "runs").exists()
