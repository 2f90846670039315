"""Conversations as OpenAI's chat interface has them, for servers that apply a chat template of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from forgetless.records import Message
from forgetless.tokens.rendering import Ways, as_turns, thinking_mode, tool_definitions

_WIRE: Final = Ways(arguments="text")
"""Text for content, thoughts beside it, and the arguments of calls as JSON text."""


def as_fields(messages: Sequence[Message], arguments: Mapping[str, Any], *, switches: bool = False) -> dict[str, Any]:
    """The fields of a request that say what is asked.

    Args:
        messages: The conversation; its tools and whether it is to be thought about go into fields of their own.
        arguments: Names that the server's chat template reads, and their values.
        switches: Whether `enable_thinking` makes a difference for the server.
    """
    mode = thinking_mode(messages, switches=switches)
    switch = {} if mode is None else {"enable_thinking": mode}
    tools = tool_definitions(messages, str)
    fields = {"tools": tools, "chat_template_kwargs": {**arguments, **switch}}
    return {"messages": as_turns(messages, _WIRE, str)} | {name: value for name, value in fields.items() if value}
