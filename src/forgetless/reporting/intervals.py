"""Where the marks of an interval plot stand: a verdict and a scale in, positions in percent of the width out.

All abilities of a table share one scale, so bars can be compared down the column. The scale is a window around the
margins; a bar that leaves it is cut and marked as cut, for one large drop must not flatten all the others.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from forgetless.records import CapabilityScore, Verdict
from forgetless.reporting import numbers

WINDOW = 5.0
"""The scale reaches at most this many times the largest margin to either side."""

Measured = Verdict | CapabilityScore


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled position on the axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear map from differences of scores to percent of the width."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """Position of a value, held inside the picture."""
        share = (value - self.low) / (self.high - self.low)
        return round(100 * min(1.0, max(0.0, share)), 2)

    @property
    def ticks(self) -> tuple[Tick, ...]:
        """Up to seven round values, zero among them."""
        step = _round_up((self.high - self.low) / 6)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        values = [k * step for k in range(first, last + 1)]
        digits = max(0, -math.floor(math.log10(100 * step) + 1e-9))
        return tuple(Tick(self.at(v), numbers.points(v, digits)) for v in values)


@dataclass(frozen=True, slots=True)
class IntervalPlot:
    """Positions in percent: `decides` are the one-sided bounds, `interval` the displayed two-sided interval."""

    zero: float
    margin: float | None
    estimate: float | None
    decides: tuple[float, float] | None
    interval: tuple[float, float] | None
    cut_left: bool
    cut_right: bool


def shared_scale(measured: Iterable[Measured]) -> Scale:
    """One scale for many abilities: every margin is inside, and as much of the bars as the window allows."""
    parts = list(measured)
    margin = max((m.margin for m in parts if m.margin), default=0.02)
    inside = [end for m in parts for end in _ends(m) if abs(end) <= WINDOW * margin]
    low = min([-1.8 * margin, *inside])
    high = max([0.9 * margin, *inside])
    padding = 0.04 * (high - low)
    return Scale(low - padding, high + padding)


def whole_scale(measured: Sequence[Measured]) -> Scale:
    """A scale that shows everything from no change on, for the domain."""
    ends = [0.0, *(end for m in measured for end in _ends(m))]
    padding = 0.06 * ((max(ends) - min(ends)) or 0.02)
    return Scale(min(ends) - padding, max(ends) + padding)


def interval_plot(measured: Measured, scale: Scale) -> IntervalPlot | None:
    """The marks of one verdict, or `None` when nothing of it is known."""
    ends = _ends(measured)
    if not ends:
        return None
    decides = _span(measured.lower, measured.upper, scale)
    interval = measured.interval if isinstance(measured, Verdict) else None
    return IntervalPlot(
        zero=scale.at(0.0),
        margin=scale.at(-measured.margin) if measured.margin else None,
        estimate=None if measured.estimate is None else scale.at(measured.estimate),
        decides=decides,
        interval=_span(*interval, scale) if interval else None,
        cut_left=min(ends) < scale.low,
        cut_right=max(ends) > scale.high,
    )


def _span(lower: float | None, upper: float | None, scale: Scale) -> tuple[float, float] | None:
    return None if lower is None or upper is None else (scale.at(lower), scale.at(upper))


def _ends(measured: Measured) -> list[float]:
    interval = measured.interval if isinstance(measured, Verdict) and measured.interval else ()
    known = (measured.estimate, measured.lower, measured.upper, *interval)
    return [value for value in known if value is not None]


def _round_up(value: float) -> float:
    """The next larger of 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)
