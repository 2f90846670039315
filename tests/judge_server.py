"""A judge behind a server on this machine: it greets, and compares two answers by a function."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from http_server import Answer, Asked, Site, serving

Reply = Callable[[str, str, str], str]
"""The judge's reply to a request and two answers."""

_PARTS = re.compile(r"--- (\w+)[:：].*?---\n(.*?)\n(?=--- \1)", re.DOTALL)


@contextmanager
def judging(reply: Reply) -> Iterator[Site]:
    """A judge called `wise` that serves within the block."""

    def answer(asked: Asked) -> Answer:
        if asked.path == "/v1/models":
            return Answer({"data": [{"id": "wise"}]})
        said = asked.body["messages"][-1]["content"]
        parts = [part for _, part in _PARTS.findall(said)]
        text = reply(*parts) if len(parts) == 3 else "Hello."
        return Answer({"choices": [{"message": {"content": text}, "finish_reason": "stop"}]})

    with serving(answer) as site:
        yield site
