"""What a row says, as one text: its id is a hash of that text, and the text gives the row back."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from forgetless.records import Message, Row, from_json, to_json
from forgetless.rundir import canonical_json, text_hash


class Written(NamedTuple):
    """A row, and its content as text."""

    row: Row
    content: str


def written(messages: tuple[Message, ...], text: str | None, *, source: str, origin: str) -> Written:
    """A row with the id that follows from its content."""
    content = canonical_json([text if text is not None else [_turn(message) for message in messages]])
    return Written(Row(text_hash(content), source, messages, text, origin), content)


def row_of(content: str, *, row_id: str, source: str, origin: str) -> Row:
    """The row that `written` turned into text."""
    (said,) = json.loads(content)
    if isinstance(said, str):
        return Row(row_id, source, text=said, origin=origin)
    return Row(row_id, source, tuple(_message(*turn) for turn in said), origin=origin)


def _turn(m: Message) -> list[Any]:
    """Written so that a row that only says things has the id it always had."""
    turn: list[Any] = [m.role, m.content, m.trained]
    # Most turns have none of these, and a large file has millions of turns.
    if (
        m.reasoning
        or m.tool_calls
        or m.tool_call_id
        or m.name
        or m.tools
        or m.enable_thinking is not None
        or m.raw_text
    ):
        turn.append({name: value for name, value in to_json(m).items() if name not in ("role", "content", "trained")})
    return turn


def _message(role: Any, content: str, trained: bool, more: dict[str, Any] | None = None) -> Message:
    if more is None:
        return Message(role, content, trained)
    return from_json(Message, {"role": role, "content": content, "trained": trained, **more})
