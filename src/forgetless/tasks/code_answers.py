"""An answer in, programs out: the code in what a model wrote, put behind the beginning that it was asked to continue.

A model may answer with a whole function in a code fence, with one among words, or with the lines that continue the
prompt, whose first line has often lost its indentation on the way. Which it was is not always to be told from the text
alone, so alternatives come out, likeliest first: the first that compiles is meant. Nothing is parsed here, because a
parser can be brought down by what a model writes.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

_FENCE: Final = re.compile(r"^[ \t]*(```+|~~~+)[ \t]*([\w+.-]*)[^\n]*\n(.*?)(?:^[ \t]*\1|\Z)", re.DOTALL | re.MULTILINE)
_LANGUAGES: Final = ("", "python", "py", "python3")
_STATEMENT: Final = re.compile(
    r"(?:async def|def|class|import|from|if|else|elif|for|while|try|except|finally|with|return|assert|raise|del)\b"
    r"|[@#)\]}]|\"\"\"|'''|[A-Za-z_][\w.]*(?:\[[^\]]*\])?\s*(?::\s*[\w\[\], .|]+)?\s*=(?!=)|[A-Za-z_][\w.]*\("
)
_INDENT: Final = "    "


def programs_in(answer: str, *, start: str, name: str) -> tuple[str, ...]:
    """The programs that an answer may stand for, the likeliest first; empty where it holds no code.

    Args:
        answer: What the model wrote, thoughts left aside.
        start: The beginning of the program that it was given; may be empty.
        name: The function or class that is wanted; may be empty.
    """
    fenced = [body for _, language, body in _FENCE.findall(answer) if language.lower() in _LANGUAGES]
    told = [body for body in fenced if name and _defines(body, name)] or fenced
    code = textwrap.dedent(told[0]) if told else answer
    if not code.strip():
        return ()
    if not start.strip() or (name and _defines(code, name)):
        before = _before(start, name)
        return tuple(dict.fromkeys(before + text for text in (code, _statements(code))))
    return _continued(start, code)


def _defines(code: str, name: str) -> bool:
    return _definition(name).search(code) is not None


def _definition(name: str) -> re.Pattern[str]:
    return re.compile(rf"^[ \t]*(?:(?:async[ \t]+)?def|class)[ \t]+{re.escape(name)}\b", re.MULTILINE)


def _before(start: str, name: str) -> str:
    """Imports and helpers that stand before the function to be written; a whole answer may leave them out."""
    found = list(_definition(name).finditer(start)) if name else []
    return start[: found[-1].start()] if found else ""


def _statements(text: str) -> str:
    """The lines of a text from its first statement on, up to a line at the margin that is none."""
    lines = text.splitlines(keepends=True)
    begin = next((i for i, line in enumerate(lines) if _STATEMENT.match(line)), 0)
    end = next((i for i in _at_margin(lines) if i > begin and not _STATEMENT.match(lines[i])), len(lines))
    return "".join(lines[begin:end])


def _continued(start: str, code: str) -> tuple[str, ...]:
    """Programs that begin with `start` and go on with the lines of `code`, up to the first that is back at the margin.

    Where the first line stands at the margin itself, it alone has lost its indentation, or all lines have. What fits
    in no such way goes on in the middle of a line.
    """
    before, lines = start.rstrip(), code.strip("\n").splitlines(keepends=True)
    body = "".join(lines[: next((i for i in _at_margin(lines) if i > 0), len(lines))])
    if body[:1].isspace():
        return (f"{before}\n{body}", before + body)
    last = before.rpartition("\n")[2]
    indent = last[: len(last) - len(last.lstrip())] or _INDENT
    first = f"{before}\n{indent}{body}"
    every = f"{before}\n{textwrap.indent(''.join(lines), indent)}"
    return (*((first, every) if "\n" in body.rstrip() else (every, first)), before + code)


def _at_margin(lines: Sequence[str]) -> Iterator[int]:
    """Places of lines that begin without white space; closing brackets belong to what they close."""
    return (i for i, line in enumerate(lines) if line[0] not in " \t\r\n)]}")
