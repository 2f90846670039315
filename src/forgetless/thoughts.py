"""What a model thinks before it answers, as text: one way to write it for all models.

Every model marks its thoughts in its own way (`<think>`, a channel, a recipient). Generated text is brought into one
form on its way out of the chat format: `<think>thoughts</think>answer`, with `</think>` missing where the model was
cut off while it thought. Whoever judges an answer looks at what stands after.
"""

from __future__ import annotations

from typing import Final, NamedTuple

OPEN: Final = "<think>"
CLOSE: Final = "</think>"


class Said(NamedTuple):
    """The thoughts and the answer after them; `finished` is false where the thoughts never ended."""

    thoughts: str
    answer: str
    finished: bool = True


def split_thoughts(text: str) -> Said:
    """Takes thoughts apart from the answer; a text that does not begin with `<think>` is all answer."""
    opened = text.lstrip()
    if not opened.startswith(OPEN):
        return Said("", text)
    thoughts, closed, answer = opened.removeprefix(OPEN).partition(CLOSE)
    return Said(thoughts.strip("\n"), answer.lstrip("\n"), finished=bool(closed))


def answer_of(text: str) -> str:
    """What stands after the thoughts; empty where they never ended."""
    while text.lstrip().startswith(OPEN):
        text = split_thoughts(text).answer
    return text


def with_thoughts(thoughts: str, answer: str) -> str:
    """A text that `split_thoughts` takes apart again."""
    return f"{OPEN}\n{thoughts}\n{CLOSE}\n\n{answer}" if thoughts else answer
