"""Verdicts and mixture for a terminal, as Rich tables, and the headline as text.

Verdicts or shares go in, a renderable comes out. Colour only ever repeats what a word says. `open_console` gives the
console they are meant for: no colour with `NO_COLOR` or when the output is a file or a pipe, where a table also gets
room enough that nothing is cut off; and no sign that the output's encoding cannot write.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Final

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from forgetless.records import MixtureShare, Verdict
from forgetless.reporting import numbers, wording
from forgetless.reporting.phrases import Language, Said, phrase, say
from forgetless.reporting.view import View

WIDTH_IN_A_FILE: Final = 120
"""Columns of a table that goes to a file or a pipe."""

_STYLES: Final = {
    "kept": "green",
    "gained": "green",
    "dropped": "bold red",
    "undecided": "yellow",
    "absent": "dim",
    "not_gained": "yellow",
}
_WHOLE: Final = ("verdicts.ability", "verdicts.outcome", "mixture.source")
"""Columns that break last when a terminal is narrow."""

_PLAIN: Final = str.maketrans(
    {"✓": "+", "✗": "x", "∅": "o", "▲": "^", "–": "-", "\N{MINUS SIGN}": "-", "→": "->", "α": "alpha", "…": "..."}
)


class Sign:
    """Text that is written in ASCII where the output knows nothing else."""

    def __init__(self, text: str, style: str = "") -> None:
        self.text = text
        self.style = style

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._for(options)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement.get(console, options, self._for(options))

    def _for(self, options: ConsoleOptions) -> Text:
        return Text(self.text.translate(_PLAIN) if options.ascii_only else self.text, style=self.style)


def open_console(file: IO[str] | None = None) -> Console:
    """A console for the tables of this module.

    Args:
        file: Where to write; standard output if `None`.
    """
    target = file or sys.stdout
    interactive = target.isatty()
    return Console(
        file=target,
        no_color=bool(os.environ.get("NO_COLOR")) or None,
        force_terminal=None if interactive else False,
        width=None if interactive else WIDTH_IN_A_FILE,
        highlight=False,
        safe_box=True,
    )


def headline(view: View, language: Language = "en") -> str:
    """The run in one sentence, with a second one where only a model between base and tuned is certified."""
    lines: list[Said] = [wording.headline(view)]
    second = wording.second_line(view)
    gap = say(phrase("list.sentences"), language)
    return gap.join(say(line, language) for line in ([*lines, second] if second else lines))


def verdict_table(
    verdicts: Sequence[Verdict],
    domain: Verdict | None,
    covered: Mapping[str, bool | None] | None = None,
    *,
    language: Language = "en",
) -> Table:
    """Every ability's verdict, the domain's first.

    Args:
        verdicts: One for each ability.
        domain: The domain's, if there is one.
        covered: Whether replay rows lie close to an ability; without it there is no such column.
        language: What to write in.
    """
    table = _table(language, "table.verdicts")
    _columns(table, language, "verdicts.ability", "verdicts.outcome", "verdicts.scores")
    _columns(table, language, "table.change", "table.interval", "table.margin", "verdicts.items", right=True)
    if covered is not None:
        _columns(table, language, "verdicts.covered")
    if domain is not None:
        _add(table, domain, say(phrase("domain.title"), language), None if covered is None else "", language)
        table.add_section()
    for verdict in verdicts:
        cell = None if covered is None else _covered(covered.get(verdict.capability), language)
        _add(table, verdict, verdict.capability, cell, language)
    unclear = [(v, wording.why(v)) for v in verdicts if v.outcome == "undecided"]
    early = [(v, said) for v in verdicts if (said := wording.stopped_early(v)) is not None]
    judged = [(v, said) for v in (*([domain] if domain else []), *verdicts) if (said := wording.judged(v)) is not None]
    if unclear or early or judged:
        lines = (f"{v.capability}: {say(said, language)}" for v, said in (*unclear, *early, *judged))
        table.caption = Text("\n".join(lines))
        table.caption_justify = "left"
    return table


def mixture_table(shares: Iterable[MixtureShare], *, language: Language = "en") -> Table:
    """What every source was asked to give, and what it gave."""
    table = _table(language, "table.mixture")
    _columns(table, language, "mixture.source", "mixture.kind")
    names = ("mixture.asked", "mixture.realised", "mixture.rows", "mixture.tokens", "mixture.passes")
    _columns(table, language, *names, right=True)
    for share in shares:
        table.add_row(
            Text(share.source),
            say(phrase(f"kind.{share.kind}"), language),
            numbers.percent(share.asked),
            Sign(numbers.percent(share.realised)),
            numbers.count(share.rows),
            numbers.amount(share.tokens),
            numbers.decimal(share.passes),
        )
    return table


def _table(language: Language, title: str) -> Table:
    return Table(title=say(phrase(title), language), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)


def _columns(table: Table, language: Language, *keys: str, right: bool = False) -> None:
    for key in keys:
        header = Sign(say(phrase(key), language), style="bold")
        table.add_column(header, justify="right" if right else "left", overflow="fold", no_wrap=key in _WHOLE)


def _add(table: Table, verdict: Verdict, name: str, covered: str | None, language: Language) -> None:
    lower, upper = verdict.interval or (None, None)
    outcome = f"{wording.ICONS[verdict.outcome]} {say(wording.outcome(verdict), language)}"
    table.add_row(
        Text(name),
        Sign(outcome, _STYLES[verdict.outcome]),
        Sign(f"{numbers.percent(verdict.base_score)} → {numbers.percent(verdict.tuned_score)}"),
        Sign(numbers.points(verdict.estimate)),
        Sign(numbers.bounds(lower, upper)),
        Sign(numbers.margin(verdict.margin)),
        numbers.count(verdict.n),
        *([] if covered is None else [Sign(covered)]),
    )


def _covered(value: bool | None, language: Language) -> str:
    key = {True: "yes", False: "no", None: "unknown"}[value]
    return say(phrase(f"verdicts.covered_{key}"), language)
