"""What a row asks, as keys that can be compared with the questions that a task will ask.

A question is known by the text of its user turns, compared without regard to case, width of characters and spacing.
In Chinese and Japanese text it makes no difference either whether there is a space at all.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from hashlib import blake2b

from forgetless.records import Message, Row
from forgetless.rundir import canonical_json, text_hash
from forgetless.thoughts import answer_of

SPACELESS = "\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Ideographs and kana, as a range of a regular expression: the characters of languages without spaces."""

_ANY_SPACELESS = re.compile(f"[{SPACELESS}]")
_SPACE_OF_NO_MEANING = re.compile(f" ?([{SPACELESS},:;?!]) ?")


def prompt_key(messages: Sequence[Message]) -> str:
    """A hash of what the user says, the same for prompts that differ only in case, width or white space."""
    said = [normalised(message.content) for message in messages if message.role == "user"]
    return text_hash(canonical_json([said]))


def asked_keys(messages: Sequence[Message]) -> list[str]:
    """The `prompt_key` of all that a conversation asks, then those of its turns where there are several."""
    asked = [message for message in messages if message.role == "user"]
    keys = [prompt_key(asked)] if asked else []
    return keys if len(asked) < 2 else keys + [prompt_key([message]) for message in asked]


def last_answer(row: Row) -> str | None:
    """What the assistant says last in a row, thoughts left aside; `None` if it says nothing or nothing is asked."""
    for i in range(len(row.messages) - 1, 0, -1):
        if row.messages[i].role == "assistant":
            asked = any(message.role == "user" for message in row.messages[:i])
            said = answer_of(row.messages[i].content)
            return said if asked and said.strip() else None
    return None


def place_of(key: str) -> float:
    """Where a prompt falls in [0, 1), by a hash of its key: two answers to one question fall on one place."""
    digest = blake2b(f"held out:{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def normalised(text: str) -> str:
    """A text without regard to case, width of characters and spacing."""
    text = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return _SPACE_OF_NO_MEANING.sub(r"\1", text) if _ANY_SPACELESS.search(text) else text
