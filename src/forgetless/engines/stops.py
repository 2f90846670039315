"""Texts that end an answer: the answer goes as far as the first of them, and need not be written any further."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from forgetless.thoughts import answer_of


class StopTexts:
    """Tells from its tokens whether an answer holds one of some texts.

    Args:
        texts: What ends an answer; empty ones end none.
        decode: Turns token ids into text.
    """

    def __init__(self, texts: Sequence[str], decode: Callable[[Sequence[int]], str]) -> None:
        self._texts = [text for text in texts if text]
        self._decode = decode
        # A token is a byte at the least; two more before them, for a decoder may drop a space at the beginning.
        self._reach = max((len(text.encode("utf-8")) for text in self._texts), default=0) + 2

    def __call__(self, ids: Sequence[int]) -> bool:
        """Whether the last token completed one of the texts, or an earlier one did."""
        return self._held(ids[-self._reach :]) and self._held(ids)

    def _held(self, ids: Sequence[int]) -> bool:
        text = self._decode(ids)
        return any(stop in text for stop in self._texts)


def cut_at(text: str, stops: Sequence[str]) -> str:
    """The text up to the first of the stop texts that stands in its answer; thoughts before it are left whole."""
    answer = answer_of(text)
    thoughts = text[: len(text) - len(answer)]
    for stop in stops:
        if stop:
            answer = answer.partition(stop)[0]
    return thoughts + answer
