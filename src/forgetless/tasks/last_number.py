"""A text in, the last number in it out, exactly.

Answers to calculations end in their result, but say it in many ways: `1,000`, `$18.00`, `−3`, `1½`, `\\frac{1}{2}`,
`１５`. Numbers are compared as fractions, so 18 equals 18.00 and 0.5 equals 1/2, and 15 never passes for 5.
"""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from fractions import Fraction

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
    """,
    re.VERBOSE,
)
_MOST_DIGITS = 400


def last_number(text: str) -> Fraction | None:
    """The last number in a text, or `None` when there is none.

    Understands signs, thousands separated by commas, decimals, exponents, fractions, mixed numbers, currency signs
    before and units after the digits, LaTeX fractions, and digits and signs of full width.
    """
    numbers = deque(_NUMBER.finditer(_plain(text)), maxlen=1)
    return _value(numbers[0]) if numbers else None


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", _VULGAR.sub(" ", _EXPONENT_OF_UNIT.sub(" ", text)))
    text = text.replace("\u2044", "/").replace("\u2212", "-")
    return _LATEX_COMMA.sub("", _LATEX_FRACTION.sub(r"\1\2/\3", text))


def _value(match: re.Match[str]) -> Fraction | None:
    if len(match.group()) > _MOST_DIGITS:
        return None
    if match["under"]:
        if int(match["under"]) == 0:
            return None
        value = int(match["whole"] or 0) + Fraction(int(match["over"]), int(match["under"]))
    else:
        value = Fraction(match["decimal"].replace(",", ""))
    return -value if match["sign"] == "-" else value
