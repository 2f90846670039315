"""A plan on a terminal: three tables, memory and disk, what was chosen, and what to beware of."""

from __future__ import annotations

from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table

from forgetless.cli.narration import account_lines, duration
from forgetless.planning import CapabilityPlan, Cost, Plan, SourcePlan
from forgetless.records import to_json

_WORK: Final = {
    "replay": "replay, answered by the base",
    "noise": "base against itself",
    "training": "training",
    "looks": "looks",
    "base_dev": "base, dev part",
    "certificate": "certificate, at most",
    "base_test": "base, test part",
}


def show_plan(plan: Plan, console: Console) -> None:
    """Print a plan."""
    console.print(_sources(plan))
    accounts = [(s.source, to_json(s.account)) for s in plan.sources if s.account is not None]
    for line in [f"{name}: {line}" for name, account in accounts for line in account_lines(name, account)]:
        console.print(line, markup=False)
    console.print()
    console.print(_capabilities(plan))
    console.print()
    console.print(_bill(plan))
    lines = [f"memory: {_room(plan.memory.needed_bytes, plan.memory.available_bytes)} on {plan.speeds.device}",
             f"disk: {_room(plan.disk.needed_bytes, plan.disk.available_bytes)}", _speeds(plan), ""]  # fmt: skip
    lines += [f"chosen: {choice}" for choice in plan.chosen]
    lines += [f"note: {note}" for note in plan.notes]
    lines += [f"warning: {warning}" for warning in plan.warnings]
    console.print("\n".join(lines), markup=False)


def size(count: int) -> str:
    """Bytes with a unit."""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


def _sources(plan: Plan) -> Table:
    sampled = any(s.account is not None and s.account.sampled_from for s in plan.sources)
    tokens = f"{'about ' * sampled}{plan.tokens:,}"
    table = _table(f"Mixture: {plan.steps:,} steps of about {plan.tokens_per_step:,} tokens, {tokens} in all")
    table.add_column("source")
    table.add_column("kind")
    for name in ("asked", "given", "tokens", "passes", "rows"):
        table.add_column(name, justify="right")
    table.add_column("left out")
    for s in plan.sources:
        shares = (f"{100 * s.asked_share:.1f} %", f"{100 * s.realised_share:.1f} %")
        table.add_row(s.source, s.kind, *shares, f"{s.tokens:,}", f"{s.passes:.1f}", f"{s.rows:,}", _left_out(s))
    return table


def _left_out(source: SourcePlan) -> str:
    counts = {
        "unreadable": source.rejected,
        "duplicates": source.duplicates,
        "to measure the domain": source.held_out,
        "asked by an item": source.asked,
    }
    parts = [f"{count:,} {reason}" for reason, count in counts.items() if count]
    about = "about " if source.account is not None and source.account.sampled_from else ""
    found = {"too long": source.too_long, "of no use": source.unusable}
    parts += [f"{about}{count:,} {reason}" for reason, count in found.items() if count]
    if source.cut_percent:
        parts.append(f"{source.cut_percent:.0f} % of answers cut")
    return ", ".join(parts) or "nothing"


def _capabilities(plan: Plan) -> Table:
    table = _table(f"What the items can show, in points (level {plan.alpha:g}, chance .8)")
    # The longest name of a ready set stands whole in 80 columns.
    table.collapse_padding, table.show_edge = True, False
    table.add_column("ability", overflow="fold")
    figures = ("finds\na drop", "certifies\nalone", "certifies\ntogether", "training\nmay lose")
    for name in ("dev", "test", "margin", *figures):
        table.add_column(name, justify="right")
    for c in plan.capabilities:
        shares = (c.detectable_drop, c.certifiable_margin, c.certifiable_together, c.aim)
        table.add_row(c.capability, f"{c.dev_items:,}", _test_items(c), _points(c.margin) + " *" * (not c.margin_given),
                      *(_points(share) for share in shares))  # fmt: skip
    table.add_section()
    gain = _points(plan.domain.detectable_gain)
    table.add_row("domain", f"{plan.domain.dev_items:,}", f"{plan.domain.test_items:,}", "", f"+{gain}")
    if not all(c.margin_given for c in plan.capabilities):
        table.caption, table.caption_justify = "* chosen: not given in the recipe", "left"
    return table


def _test_items(capability: CapabilityPlan) -> str:
    grouped = capability.units != capability.test_items
    return f"{capability.test_items:,}" + (f" in {capability.units:,} groups" if grouped else "")


def _bill(plan: Plan) -> Table:
    c = plan.cadence
    looks = f"{c.looks} looks, every {c.every_steps:,} steps" if c.looks > 1 else "one look, at the last step"
    table = _table(f"Bill: {looks}, at up to {c.dev_items:,} items a task ({100 * c.share:.1f} % of the training time)")
    table.add_column("work")
    table.add_column("time", justify="right")
    table.add_column("tokens generated", justify="right")
    for cost in plan.bill:
        if cost.seconds or cost.kept or cost.elsewhere:
            table.add_row(_WORK[cost.work], _time(cost), f"{cost.generated_tokens:,}" if cost.generated_tokens else "")
    table.add_section()
    table.add_row("in all", duration(plan.seconds), f"{sum(cost.generated_tokens for cost in plan.bill):,}")
    return table


def _time(cost: Cost) -> str:
    if cost.elsewhere:
        return "at an endpoint"
    return "kept from an earlier run" if cost.kept else duration(cost.seconds)


def _speeds(plan: Plan) -> str:
    s = plan.speeds
    line = f"speed: {s.step_seconds:.3g} s a step (mean of {s.timed_steps})"
    if s.prompt_tokens_per_second is not None:
        line += f", {s.prompt_tokens_per_second:,.0f} prompt tokens/s"
    if s.answer_tokens_per_second is not None:
        line += f", {s.answer_tokens_per_second:,.0f} answer tokens/s"
    return line


def _room(needed: int, available: int) -> str:
    return f"{size(needed)} at the fullest, {size(available)} there"


def _points(share: float | None) -> str:
    return "none" if share is None else f"{100 * share:.1f}"


def _table(title: str) -> Table:
    return Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
