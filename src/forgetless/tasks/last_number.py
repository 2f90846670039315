"""A text in, the last number in it out, exactly.

Answers to calculations end in their result, but say it in many ways: `1,000`, `$18.00`, `−3`, `1½`, `\\frac{1}{2}`,
`１５`, `一百二十`, `3万`. Numbers are compared as fractions, so 18 equals 18.00 and 0.5 equals 1/2, and 15 never passes
for 5.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import deque
from fractions import Fraction
from typing import NamedTuple

from forgetless.tasks.chinese_numerals import with_digits

# Unicode's NFKC form would turn `cm²` into cm2 and `1½` into 11/2.
_EXPONENT_OF_UNIT = re.compile(r"[⁰¹²³⁴-⁹₀-₉]+|(?<=[A-Za-z])\^(?:\d+|\{\d+\})")
_VULGAR = re.compile(r"(?<=\d)(?=[¼-¾⅐-⅞])")
_LATEX_FRACTION = re.compile(r"(-?)\\[dt]?frac\s*\{\s*(-?\d+)\s*\}\s*\{\s*(\d+)\s*\}")
_LATEX_COMMA = re.compile(r"(?<=\d)(?:\\,|\\!|\{,\}|\\!,)(?=\d)")

# Longer runs of digits than any answer has are noise of a model that repeats itself, and slow to convert.
_NUMBER = re.compile(
    r"""
    (?P<sign>(?<![\w)\]}.])[-+](?=[$€£¥₹]?\.?\d))?
    [$€£¥₹]?
    (?:
        (?:(?P<whole>\d{1,9})[ ])?(?<![/\d])(?P<over>\d{1,18})/(?P<under>\d{1,18})(?![/\d])
      | (?P<decimal>(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:[eE][-+]?\d{1,3}(?!\d))?|(?<!\d)\.\d+)
    )
    (?P<scale>[ ]?(?:[百千]?万亿?|[百千]?亿))?
    """,
    re.VERBOSE,
)
_MOST_DIGITS = 400
_SCALES = {"百": 100, "千": 1000, "万": 10**4, "亿": 10**8}


class Number(NamedTuple):
    """A number as it is written, and the word for its size behind it (`3万` is 3 with a scale of 10,000)."""

    value: Fraction
    scale: int = 1

    def equals(self, other: Number) -> bool:
        """Whether both are the same number. Where only one of them names a scale, it may be the unit asked for."""
        if self.value * self.scale == other.value * other.scale:
            return True
        return 1 in (self.scale, other.scale) and self.value == other.value


def last_number(text: str) -> Number | None:
    """The last number in a text, or `None` when there is none.

    Understands signs, thousands separated by commas, decimals, exponents, fractions, mixed numbers, currency signs
    before and units after the digits, LaTeX fractions, digits and signs of full width, and Chinese numerals. A single
    Chinese numeral counts only in a text without any other number.
    """
    plain = _plain(text)
    for singles in (False, True):
        numbers = deque(_NUMBER.finditer(with_digits(plain, singles=singles)), maxlen=1)
        if numbers:
            return _value(numbers[0])
    return None


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", _VULGAR.sub(" ", _EXPONENT_OF_UNIT.sub(" ", text)))
    text = text.replace("\u2044", "/").replace("\u2212", "-")
    return _LATEX_COMMA.sub("", _LATEX_FRACTION.sub(r"\1\2/\3", text))


def _value(match: re.Match[str]) -> Number | None:
    if len(match.group()) > _MOST_DIGITS:
        return None
    if match["under"]:
        if int(match["under"]) == 0:
            return None
        value = int(match["whole"] or 0) + Fraction(int(match["over"]), int(match["under"]))
    else:
        value = Fraction(match["decimal"].replace(",", ""))
    scale = math.prod(_SCALES[character] for character in (match["scale"] or "").strip())
    return Number(-value if match["sign"] == "-" else value, scale)
