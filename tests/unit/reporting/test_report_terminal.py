from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console
from synthetic_run import verdict

from forgetless.records import Judgements, MixtureShare
from forgetless.reporting import headline, mixture_table, open_console, verdict_table


def printed(table, *, encoding: str = "utf-8") -> str:
    buffer = io.BytesIO()
    file = io.TextIOWrapper(buffer, encoding=encoding)
    open_console(file).print(table)
    file.flush()
    return buffer.getvalue().decode(encoding)


def test_a_table_in_a_file_has_no_colour_and_nothing_cut_off(rough):
    text = printed(verdict_table(list(rough.verdicts.values()), rough.domain, rough.replay.covered))
    assert "\x1b" not in text
    assert "…" not in text
    assert len([line for line in text.splitlines() if "✗ dropped" in line]) == 10
    assert "▲ gained" in text
    assert "not covered" in text


def test_a_table_can_be_written_in_ascii(rough):
    text = printed(verdict_table(list(rough.verdicts.values()), rough.domain), encoding="ascii")
    assert "x dropped" in text
    assert "86.1% -> 28.1%" in text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_no_color_is_respected(gentle, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    table = verdict_table(list(gentle.verdicts.values()), gentle.domain)
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = Terminal()
    open_console(coloured).print(table)
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal()
    open_console(plain).print(table)
    assert "\x1b[32m" in coloured.getvalue()
    assert "\x1b[32m" not in plain.getvalue()
    assert "kept" in plain.getvalue()


def test_an_undecided_ability_is_explained_below_the_table():
    verdicts = [
        replace(
            verdict("facts", 0.0), outcome="undecided", reason="needs at least 149 items to certify 2 points, has 90"
        )
    ]
    assert "facts: needs at least 149 items" in printed(verdict_table(verdicts, None))
    assert "facts: 要认证 2 个百分点" in printed(verdict_table(verdicts, None, language="zh"))


def test_a_judge_that_contradicts_itself_is_told_below_the_table():
    judged = replace(
        verdict("facts", 0.0), capability="taste", judgements=Judgements(asked=200, disagreed=50, unreadable=10)
    )
    text = " ".join(printed(verdict_table([judged], replace(judged, capability="domain"))).split())
    assert "taste: the judge contradicted itself on 26.3% of 200 pairs" in text
    assert "10 without a verdict" in text
    assert "domain: the judge" in text
    assert "taste: 交换先后顺序后" in printed(verdict_table([judged], None, language="zh"))
    assert "judge" not in printed(verdict_table([verdict("facts", 0.0)], None))


def test_a_verdict_that_stopped_early_says_so_below_the_table():
    early = replace(verdict("facts", 0.0), n=180, planned_n=2000)
    assert "facts: stopped early: 180 of 2,000 items" in printed(verdict_table([early], None))
    assert "facts: 提前停止：2,000 题中用了 180 题" in printed(verdict_table([early], None, language="zh"))
    assert "stopped early" not in printed(verdict_table([verdict("facts", 0.0)], None))


def test_names_are_not_markup():
    text = printed(
        verdict_table([replace(verdict("facts", 0.0), capability="[red]x[/red]")], None, {"[red]x[/red]": True})
    )
    assert "[red]x[/red]" in text
    assert " covered" in text


def test_a_planned_share_that_is_not_realised_yet_is_a_dash():
    share = MixtureShare("banking", "domain", 10, 0.6, None, 100, 1.0)
    line = next(line for line in printed(mixture_table([share])).splitlines() if "banking" in line)
    assert line.split()[:4] == ["banking", "domain", "60.0%", "–"]


def test_the_headline_is_one_line(rough):
    assert "\n" not in headline(rough)
    assert headline(rough, "zh").endswith("通过认证。")


def test_tables_fit_an_ordinary_terminal(gentle):
    table = verdict_table(list(gentle.verdicts.values()), gentle.domain, gentle.replay.covered)
    assert Console(width=120).measure(table).maximum <= 120


def test_nothing_is_cut_off_in_a_narrow_terminal(gentle):
    table = verdict_table(list(gentle.verdicts.values()), gentle.domain, gentle.replay.covered)
    narrow = Console(file=io.StringIO(), width=70)
    narrow.print(table)
    assert "…" not in narrow.file.getvalue()
