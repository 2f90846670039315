"""Curves as inline SVG: lines, bands and rules in, markup out.

Matplotlib lays out the axes and writes the paths; its colours are stand-ins that become CSS variables, its fonts give
way to the page's, so a chart follows light and dark mode and prints in ink. A chart holds no words, only numbers: its
title stands in the page, where it can change language.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from forgetless.reporting import numbers

Ink = Literal["text", "line", "muted", "domain", "accent", "second", "third", "dropped", "undecided"]
Marker = Literal["", "o", "s", "D", "^", "v", "x"]

_STAND_INS: Final[dict[Ink, str]] = {ink: f"#0000f{digit:x}" for digit, ink in enumerate(get_args(Ink))}
_WIDTH_INCHES, _HEIGHT_INCHES = 3.7, 2.15
_SETTINGS = {
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.unicode_minus": True,
    "path.simplify": True,
}


@dataclass(frozen=True, slots=True)
class Line:
    """Values over steps; a `None` is a gap."""

    xs: Sequence[float]
    ys: Sequence[float | None]
    ink: Ink = "accent"
    style: Literal["-", "--", ":", "-.", ""] = "-"
    marker: Marker = ""


@dataclass(frozen=True, slots=True)
class Band:
    """The area between two lines."""

    xs: Sequence[float]
    low: Sequence[float | None]
    high: Sequence[float | None]
    ink: Ink = "accent"


@dataclass(frozen=True, slots=True)
class Rule:
    """A straight line across the whole chart, at a value of one axis."""

    value: float
    axis: Literal["x", "y"] = "y"
    ink: Ink = "muted"
    style: Literal["-", "--", ":"] = "-"


@dataclass(frozen=True, slots=True)
class Chart:
    """What one chart shows. `include` are values that the vertical axis must reach."""

    lines: tuple[Line, ...]
    bands: tuple[Band, ...] = ()
    rules: tuple[Rule, ...] = ()
    include: tuple[float, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is not a single point to draw."""
        return not any(_known(y) for line in self.lines for y in line.ys)


def draw(chart: Chart, *, salt: str, labelled_by: str) -> str:
    """The chart as one `<svg>` element.

    Args:
        chart: What to show.
        salt: Unique in the page; keeps the ids of its clip paths and marks apart from those of other charts.
        labelled_by: Id of the element that names the chart for a screen reader.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**_SETTINGS, "svg.hashsalt": salt}):
        figure = Figure(figsize=(_WIDTH_INCHES, _HEIGHT_INCHES))
        axes = figure.add_axes((0.155, 0.14, 0.795, 0.82))
        _dress(axes)
        for rule in chart.rules:
            across = axes.axhline if rule.axis == "y" else axes.axvline
            across(rule.value, color=_STAND_INS[rule.ink], linestyle=rule.style, linewidth=1.2, zorder=1)
        for band in chart.bands:
            low, high = _numbers(band.low), _numbers(band.high)
            axes.fill_between(band.xs, low, high, color=_STAND_INS[band.ink], alpha=0.16, linewidth=0)
        for line in chart.lines:
            _draw_line(axes, line)
        axes.update_datalim([(axes.dataLim.x0, value) for value in chart.include if math.isfinite(axes.dataLim.x0)])
        axes.margins(x=0.03, y=0.08)
        axes.autoscale_view()
        written = io.StringIO()
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
    return _at_home_in_a_page(written.getvalue(), labelled_by)


def _dress(axes: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_STAND_INS["line"])
    axes.tick_params(length=0, labelcolor=_STAND_INS["muted"], pad=5)
    axes.grid(axis="y", color=_STAND_INS["line"], linewidth=0.7)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10], integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(lambda value, _: numbers.decimal(value))


def _draw_line(axes: Any, line: Line) -> None:
    axes.plot(
        line.xs,
        _numbers(line.ys),
        color=_STAND_INS[line.ink],
        linestyle=line.style or "none",
        linewidth=1.8,
        marker=line.marker or ("o" if len(line.xs) == 1 else None),
        markersize=8 if line.marker in ("v", "^") and not line.style else 4.5,
        solid_capstyle="round",
        zorder=4 if not line.style else 3,
    )


def _numbers(values: Sequence[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _shorter(attribute: re.Match[str]) -> str:
    """Coordinates to a hundredth of a pixel; the text of a label is no attribute and keeps its digits."""
    return re.sub(r"(\d+\.\d{2})\d+", r"\1", attribute.group())


def _at_home_in_a_page(svg: str, labelled_by: str) -> str:
    """Strip what belongs to a file of its own, and let the page decide colours and fonts."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<style.*?</style>", "", svg, flags=re.DOTALL)
    box = re.search(r'viewBox="[^"]+"', svg)
    assert box is not None, "Matplotlib writes a viewBox"
    opening = f'<svg class="chart" {box.group()} role="img" aria-labelledby="{labelled_by}">'
    svg = opening + svg[svg.index(">") + 1 :]
    svg = svg.replace("xlink:href", "href")
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    svg = re.sub(r' id="([^"]+)"', lambda found: found.group() if found.group(1) in used else "", svg)
    for ink, stand_in in _STAND_INS.items():
        svg = svg.replace(stand_in, f"var(--{ink})")
    svg = re.sub(r"font-family: [^;\"]+;? ?| transform=\"rotate\(-0 [^\"]+\"", "", svg)
    svg = re.sub(r'<path d="[^"]*" style="fill: none"/>', "", svg)
    svg = re.sub(r' (?:d|x|y|width|height)="[^"]+"', _shorter, svg)
    return re.sub(r"\s*\n\s*", "\n", svg).strip()
