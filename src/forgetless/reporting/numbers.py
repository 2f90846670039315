"""Numbers as a reader wants them: one way of writing scores, points, counts, hashes and times.

A number goes in, text comes out. An unknown number is a dash, never 0, and a minus is a minus sign, so that columns
line up. Nothing here computes: a score of 0.622 is written as 62.2%, a difference of −0.013 as −1.3 points.
"""

from __future__ import annotations

import datetime
import math
from typing import TypeGuard

UNKNOWN = "–"
"""What stands where there is no number."""

_MINUS = "\N{MINUS SIGN}"
_MAGNITUDES = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e4, "k"))


def percent(share: float | None, digits: int = 1) -> str:
    """A share in [0, 1] as a percentage: 0.622 is `62.2%`."""
    return f"{_fixed(100 * share, digits)}%" if _known(share) else UNKNOWN


def points(difference: float | None, digits: int = 1) -> str:
    """A signed difference of shares in points: −0.013 is `−1.3`, 0.004 is `+0.4`."""
    if not _known(difference):
        return UNKNOWN
    text = _fixed(100 * difference, digits)
    return text if text.startswith(_MINUS) or not float(text) else f"+{text}"


def size(difference: float | None, digits: int = 1) -> str:
    """A difference in points without its sign, for sentences that say the direction in words."""
    return _fixed(abs(100 * difference), digits) if _known(difference) else UNKNOWN


def margin(value: float | None) -> str:
    """A margin in points, without zeros that carry nothing: 0.02 is `2`, 0.015 is `1.5`."""
    return f"{100 * value:.2f}".rstrip("0").rstrip(".") if _known(value) else UNKNOWN


def bounds(lower: float | None, upper: float | None, digits: int = 1) -> str:
    """An interval in points: `[−2.1, +0.3]`."""
    if not _known(lower) or not _known(upper):
        return UNKNOWN
    return f"[{points(lower, digits)}, {points(upper, digits)}]"


def count(number: int | None) -> str:
    """A count with thousands apart: 12345 is `12,345`."""
    return UNKNOWN if number is None else f"{number:,}"


def amount(number: float | None) -> str:
    """A large count, rounded: 1_250_000 is `1.25M`; below ten thousand it is exact."""
    if not _known(number):
        return UNKNOWN
    for magnitude, letter in _MAGNITUDES:
        if number >= magnitude:
            divisor = 1e3 if letter == "k" else magnitude
            return f"{number / divisor:.3g}{letter}" if number / divisor < 1000 else f"{number / divisor:.0f}{letter}"
    return f"{number:,.0f}"


def decimal(number: float | None, digits: int = 3) -> str:
    """A number of any size with a few significant digits: a loss, a rate, a position on the path."""
    return f"{number:.{digits}g}".replace("-", _MINUS) if _known(number) else UNKNOWN


def short_hash(value: str) -> str:
    """The first twelve digits of a hash, enough to tell two apart by eye."""
    return value[:12] or UNKNOWN


def moment(time: float | str | None) -> str:
    """A point in time, from seconds since 1970 or from ISO 8601 text, in UTC to the minute."""
    if time is None:
        return UNKNOWN
    if isinstance(time, str):
        return time
    return datetime.datetime.fromtimestamp(time, tz=datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


def _fixed(value: float, digits: int) -> str:
    text = f"{abs(value):.{digits}f}"
    return f"{_MINUS}{text}" if value < 0 and float(text) else text


def _known(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)
