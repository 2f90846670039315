"""Numbers in Chinese characters in, the same text with digits out: `一百二十` becomes 120, `三分之二` 2/3.

Most characters for small numbers are parts of everyday words as well (`一般`, `万一`, `十分`). So a number is taken for
one at once only if it says how large it is (`十五`, `三千`, `一点五`) or is read digit by digit (`二〇二四`); a single
character counts only on request, and where a measure word or the end of a phrase follows it.
"""

from __future__ import annotations

import re

_DIGITS = {character: value for value, characters in enumerate(
    ("零〇", "一壹", "二贰貳两兩", "三叁參", "四肆", "五伍", "六陆陸", "七柒", "八捌", "九玖")
) for character in characters}  # fmt: skip
_UNITS = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "仟": 1000}
_MYRIADS = {"万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8}

_D, _U, _M = ("".join(table) for table in (_DIGITS, _UNITS, _MYRIADS))
_START = f"[{_D}十拾]"
# Longer runs of numerals than any number has are noise.
_WHOLE = f"{_START}[{_D}{_U}{_M}]{{0,30}}"
_PLAIN = rf"(?:{_WHOLE}|\d{{1,18}})"
_FRACTION = re.compile(rf"(负)?(?:({_PLAIN})又)?({_PLAIN})分之({_PLAIN})")
_PERCENT = re.compile(rf"百分之(?={_START}|\d)")
_NUMBER = re.compile(rf"(?<![几数{_D}{_U}{_M}])(负)?({_WHOLE})(?:点([{_D}]{{1,18}})(?![{_D}{_U}点滴])([{_M}]?))?")
_MEASURES = (
    "个個只隻條条张張块塊元角岁歲名位人本件支枝辆輛台次倍天年月日米斤公厘千克升份袋箱盒瓶杯双雙对對"
    "朵棵颗顆头頭匹间間座层層页頁题題遍套架艘幅"
)
_SINGLE = re.compile(
    rf"(?<![几数第唯统单同专之其{_D}{_U}{_M}])([{_D}十拾])"
    r"(?=\s*(?:$|[,.;:!?。、)\]}\"'”’*])"
    rf"|(?<![一壹])(?:平方|立方)?[{_MEASURES}])",
    re.MULTILINE,
)


def with_digits(text: str, *, singles: bool = False) -> str:
    """The text with its Chinese numbers written in digits.

    Args:
        text: Any text, in Unicode's NFKC form.
        singles: Write single characters in digits, too, where they stand for a number.
    """
    text = _FRACTION.sub(_fraction, _PERCENT.sub("", text))
    text = _NUMBER.sub(_number, text)
    return _SINGLE.sub(lambda match: f" {_whole(match[1])} ", text) if singles else text


def _fraction(match: re.Match[str]) -> str:
    minus, whole, under, over = match.groups()
    return f" {'-' if minus else ''}{_whole(whole) + ' ' if whole else ''}{_whole(over)}/{_whole(under)} "


def _number(match: re.Match[str]) -> str:
    minus, whole, decimals, myriad = match.groups()
    sized = len(whole) > 1 and any(character in _UNITS or character in _MYRIADS for character in whole)
    spelled = len(whole) > 2 or (len(whole) == 2 and any(character in "零〇" for character in whole))
    if not (sized or spelled or decimals):
        return match[0]
    value = _whole(whole)
    if decimals:
        value += "." + "".join(str(_DIGITS[character]) for character in decimals) + (myriad or "")
    return f" {'-' if minus else ''}{value} "


def _whole(numeral: str) -> str:
    """A whole number in digits, from digits, from characters read one by one (`二〇二四`), or from a sum of units."""
    if numeral.isdecimal():
        return numeral
    if all(character in _DIGITS for character in numeral):
        return "".join(str(_DIGITS[character]) for character in numeral)
    total = section = digit = 0
    last_unit = 1
    for character in numeral:
        if character in _DIGITS:
            digit = _DIGITS[character]
            last_unit = last_unit if digit else 1
        elif character in _UNITS:
            last_unit = _UNITS[character]
            section, digit = section + (digit or 1) * last_unit, 0
        else:
            last_unit = _MYRIADS[character]
            # What stands before 亿 is counted in it as a whole: 三万亿.
            before = total if last_unit == 10**8 else 0
            total, section, digit = total - before + (before + section + digit) * last_unit, 0, 0
    # A digit that ends the number counts in tenths of the unit before it: 一百二 is 120, 一万五 is 15000.
    return str(total + section + digit * max(last_unit // 10, 1))
