"""A row that is too long in, one that fits out: a conversation's prompt is cut at the left, its answer never, and raw
text goes into pieces.

Whole turns go first, the oldest of them, up to a user's turn, so that what is left still begins with a question. When
only the last question is left, tokens go from its beginning. What the system says stays.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from forgetless.records import Message, Row

from .encoded import IGNORED, Encoded
from .pieces import SEAM
from .rendering import thinking_mode

if TYPE_CHECKING:
    from .chat_format import ChatFormat

Messages = tuple[Message, ...]


def shortened(row: Row, chat: ChatFormat, max_length: int) -> list[Encoded] | None:
    """Every trained answer of a row in a document of at most `max_length` tokens, or `None` if one cannot be had.

    Answers that fit with all that stands before them share documents as always.

    Raises:
        ModelError: The template refuses what is left of the conversation.
    """
    trained = [i for i, message in enumerate(row.messages) if message.role == "assistant" and message.trained]
    alone = {i: chat.encode_row(_trained_on(row, {i}))[0] for i in trained}
    fitting = {i for i, document in alone.items() if len(document.input_ids) <= max_length}
    documents = chat.encode_row(_trained_on(row, fitting)) if fitting else []
    for i in sorted(set(trained) - fitting):
        document = _shortened_answer(_trained_on(row, {i}), alone[i], chat, max_length)
        if document is None:
            return None
        documents.append(document)
    return documents


def in_pieces(text: Encoded, chat: ChatFormat, max_length: int) -> list[Encoded]:
    """A raw text in as few documents as hold it, about equally long, each begun as raw text begins."""
    opening = chat.text_opening
    ids = text.input_ids[len(opening) :]
    count = -(-len(ids) // (max_length - len(opening)))
    edges = [number * len(ids) // count for number in range(count + 1)]
    pieces = [opening + ids[start:end] for start, end in itertools.pairwise(edges)]
    return [
        dataclasses.replace(
            text,
            input_ids=piece,
            labels=[IGNORED, *piece[1:]],
            plain_specials=0 if number else text.plain_specials,
            part_of_text=True,
        )
        for number, piece in enumerate(pieces)
    ]


def _trained_on(row: Row, turns: set[int]) -> Row:
    """The row up to the last of some turns, with the loss on those alone."""
    kept = row.messages[: max(turns) + 1]
    return dataclasses.replace(
        row, messages=tuple(dataclasses.replace(message, trained=i in turns) for i, message in enumerate(kept))
    )


def _shortened_answer(row: Row, whole: Encoded, chat: ChatFormat, max_length: int) -> Encoded | None:
    kept = row.messages
    for kept in _without_oldest_turns(row.messages):
        document = _encode(row, kept, chat, whole)
        if len(document.input_ids) <= max_length:
            return document
    return _with_shorter_question(row, kept, chat, whole, max_length)


def _without_oldest_turns(messages: Messages) -> Iterator[Messages]:
    """The conversation from its second user turn on, from its third, and so on."""
    head = _system_turns(messages)
    asked = [i for i, message in enumerate(messages) if message.role == "user" and i >= head]
    for start in asked[1:]:
        yield _settings_kept(messages, (*messages[:head], *messages[start:]))


def _with_shorter_question(
    row: Row, messages: Messages, chat: ChatFormat, whole: Encoded, max_length: int
) -> Encoded | None:
    place = _system_turns(messages)
    if messages[place].role != "user":
        return None
    guarded = chat.pieces.guard(messages[place].content)
    starts = chat.pieces.tokens(guarded).starts
    off = len(_encode(row, messages, chat, whole).input_ids) - max_length
    while off < len(starts):
        question = dataclasses.replace(messages[place], content=guarded[starts[off] :].replace(SEAM, ""))
        document = _encode(row, (*messages[:place], question, *messages[place + 1 :]), chat, whole)
        over = len(document.input_ids) - max_length
        if over <= 0:
            return document
        off += over
    return None


def _encode(row: Row, messages: Messages, chat: ChatFormat, whole: Encoded) -> Encoded:
    (document,) = chat.encode_row(dataclasses.replace(row, messages=messages))
    return dataclasses.replace(document, cut_tokens=len(whole.input_ids) - len(document.input_ids))


def _system_turns(messages: Messages) -> int:
    return next((i for i, message in enumerate(messages) if message.role != "system"), len(messages))


def _settings_kept(whole: Messages, kept: Messages) -> Messages:
    """Tools and switches of turns that are gone, moved to the first turn that is left."""
    tools = tuple(tool for message in whole for tool in message.tools)
    first = dataclasses.replace(kept[0], tools=tools, enable_thinking=thinking_mode(whole))
    return (first, *(dataclasses.replace(message, tools=()) for message in kept[1:]))
