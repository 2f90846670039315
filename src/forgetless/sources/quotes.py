"""Questions of items inside raw text: which texts hold one, word for word.

A text has no prompt that could equal a question, but it may quote one, and whoever trains on it trains on the test.
Texts and questions are compared by their words: runs of letters and digits, and every ideograph and kana by itself,
without regard to case, width of characters, spacing and punctuation. What every question of a task begins and ends with
are the words of its template, which no text would quote with it; they are left out where enough remains. Short
questions are not looked for: "What is 2 + 3?" stands in many a text that gives nothing away.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import takewhile

from forgetless.sources.overlap import SPACELESS

FEWEST_BYTES = 24
"""Of the words of a question that is looked for, in UTF-8 without spaces: 24 Latin letters, or 8 Chinese characters."""

_HEAD_WORDS = 3
_WORDS = re.compile(f"[{SPACELESS}]|[^\\W_{SPACELESS}]+")


class Quotes:
    """Finds questions in texts, in time that does not depend on how many questions there are.

    Args:
        tasks: The questions of every task.
    """

    def __init__(self, tasks: Iterable[Sequence[str]]) -> None:
        questions = {tuple(core) for task in tasks for core in _cores([_words(question) for question in task])}
        self._questions = questions
        self._lengths: dict[tuple[str, ...], set[int]] = defaultdict(set)
        for question in questions:
            self._lengths[question[:_HEAD_WORDS]].add(len(question))

    def found_in(self, text: str) -> bool:
        """Whether the text holds a question."""
        words = _words(text) if self._questions else []
        heads = list(zip(*(words[i:] for i in range(_HEAD_WORDS)), strict=False))
        if self._lengths.keys().isdisjoint(heads):
            return False
        return any(
            tuple(words[i : i + length]) in self._questions
            for i, head in enumerate(heads)
            for length in self._lengths.get(head, ())
        )


def _words(text: str) -> list[str]:
    return _WORDS.findall(unicodedata.normalize("NFKC", text).casefold())


def _cores(questions: Sequence[list[str]]) -> Iterable[list[str]]:
    """What to look for: each question without the words of the template, or as it stands where too little remains."""
    head, tail = _shared(questions), _shared([question[::-1] for question in questions])
    for question in questions:
        for core in (question[head : len(question) - tail], question):
            if len(core) >= _HEAD_WORDS and len("".join(core).encode()) >= FEWEST_BYTES:
                yield core
                break


def _shared(questions: Sequence[list[str]]) -> int:
    """How many words all of several questions begin with."""
    if len({tuple(question) for question in questions}) < 2:
        return 0
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, zip(*questions, strict=False)))
