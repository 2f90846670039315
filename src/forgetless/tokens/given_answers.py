"""Answers that are given, not generated: a conversation and an answer in, context ids and continuation ids out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from forgetless.records import Message
from forgetless.thoughts import CLOSE

from .reading import ANSWER, QUESTION
from .rendering import thinking_mode

if TYPE_CHECKING:
    from .chat_format import ChatFormat

NO_THOUGHTS = f"\n{CLOSE}\n\n"
"""What follows a thought that the prompt has opened, when there is none."""


_UNSPACED = re.compile(r"\s|[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")
"""White space, and the characters of Chinese writing, which puts no spaces between words."""


class _Lead(NamedTuple):
    """What stands before an answer without thoughts: how the template asks for one, which end of that it writes
    otherwise once the answer is there, and what it writes then.
    """

    asks: str
    replaced: str
    lead: str


class GivenAnswers:
    """Encodes answers to be scored; see `ChatFormat.encode_answers`."""

    def __init__(self, chat: ChatFormat) -> None:
        self._chat = chat
        self._leads: dict[bool | None, _Lead] = {}

    def encode(self, pairs: Sequence[tuple[Sequence[Message], str]]) -> list[tuple[list[int], list[int]]]:
        """Context ids and continuation ids for each answer to its conversation."""
        contexts: list[str] = []
        answers: list[str] = []
        openings: list[list[int]] = []
        pieces = self._chat.pieces
        for messages, answer in pairs:
            prompt, lead = self._before(messages, answer)
            contexts.append(prompt + (lead if lead.strip() else ""))
            answers.append(("" if lead.strip() else lead) + pieces.guard(answer) if answer else "")
            openings.append(self._opening(contexts[-1]) if self._chat.writes_plain(messages) else [])
        # The answers to one question share its context.
        different = list(dict.fromkeys(contexts))
        known = dict(zip(different, pieces.ids(different), strict=True))
        alone = [known[context] for context in contexts]
        joint = pieces.ids([a + b for a, b in zip(contexts, answers, strict=True)])
        split = []
        for opening, context, together, answer in zip(openings, alone, joint, answers, strict=True):
            clean = together[: len(context)] == context
            split.append((opening + context, together[len(context) :] if clean else pieces.ids([answer])[0]))
        return split

    def _opening(self, text: str) -> list[int]:
        """What stands before raw text; with no text at all, the token that a document begins with."""
        return self._chat.text_opening if text else self._chat.text_start("")

    def _before(self, messages: Sequence[Message], answer: str) -> tuple[str, str]:
        """The prompt, and what always stands between it and an answer without thoughts."""
        prompt = self._chat.seamed(messages, add_generation_prompt=True)
        if self._chat.writes_plain(messages):
            return prompt, "" if messages[-1].verbatim else _between(prompt, answer)
        mode = thinking_mode(messages)
        if mode not in self._leads:
            self._leads[mode] = self._read_lead(mode)
        asks, replaced, lead = self._leads[mode]
        # A template may ask in another way here than it asks for a first answer (after the result of a tool).
        return (prompt.removesuffix(replaced), lead) if prompt.endswith(asks) else (prompt, "")

    def _read_lead(self, mode: bool | None) -> _Lead:
        question, answer = Message("user", QUESTION, enable_thinking=mode), Message("assistant", ANSWER)
        plain, prompt = (self._chat.seamed([question], add_generation_prompt=asks) for asks in (False, True))
        asks = prompt.removeprefix(plain) if prompt.startswith(plain) else prompt.partition(QUESTION)[2]
        whole = self._chat.seamed([question, answer], add_generation_prompt=False)
        if whole.startswith(prompt):
            return _Lead(asks, "", whole[len(prompt) :].rpartition(ANSWER)[0])
        if self._chat.composed(prompt, whole, "") is not None:
            return _Lead(asks, "", NO_THOUGHTS)
        marks = self._chat.reading.marks if self._chat.reading else None
        before = prompt.rpartition(marks.opening)[0] if marks else prompt
        if whole.startswith(before):
            return _Lead(asks, prompt[len(before) :], whole[len(before) :].rpartition(ANSWER)[0])
        return _Lead(asks, "", "")


def _between(text: str, continuation: str) -> str:
    """What stands between a raw text and what goes on with it: a space, but none in Chinese."""
    return "" if _UNSPACED.match(text[-1:]) or _UNSPACED.match(continuation) else " "
