"""A record that holds a list of turns in, messages out: roles, thoughts, tool calls and results, what is trained.

Two spellings of a turn are common, `role` and `content` (OpenAI) and `from` and `value` (ShareGPT); some data hold a
question and its answer in one turn, as `human` and `assistant`; TRL's have turns under `prompt` and `completion`; and
tool calls are written in as many ways. Any list may be JSON text, as a table has it. All of them become the same
messages; what has no certain meaning is refused in words. A field that is null counts as one that is not there, because
Parquet gives every turn all fields.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from forgetless.records import Message, Role, ToolCall
from forgetless.sources.json_reader import CONVERSATION_KEYS
from forgetless.sources.record import UnfitRecordError
from forgetless.sources.templates import value_text

_ASKED, _ANSWERED = "prompt", "completion"
_BESIDE_THE_TURNS = ("system", "tools", "chat_template_kwargs")

_ROLES: dict[str, Role] = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user", "prompter": "user",
    "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant", "model": "assistant", "bot": "assistant",
    "function_call": "assistant", "tool_call": "assistant",
    "tool": "tool", "function": "tool", "observation": "tool", "ipython": "tool", "tool_response": "tool",
    "function_response": "tool",
}  # fmt: skip
_CALLS = frozenset({"function_call", "tool_call"})
_THOUGHTS = ("reasoning_content", "thinking", "reasoning")
_FLAGS = ("trained", "train", "weight")
_SWITCH = "enable_thinking"
_BEGINS_A_LIST = re.compile(r"\s*\[\s*\{")


def is_conversation(fields: Mapping[str, Any], *, prompts_only: bool = False) -> bool:
    """Whether a record holds turns; with `prompts_only` those of a prompt are enough."""
    if any(_may_be_turns(fields.get(key)) for key in CONVERSATION_KEYS):
        return True
    return isinstance(fields.get(_ASKED), list) and (prompts_only or isinstance(fields.get(_ANSWERED), list))


def columns_of_turns(columns: Collection[str]) -> tuple[str, ...]:
    """Which columns are read of such a record."""
    turns = CONVERSATION_KEYS if not {*CONVERSATION_KEYS}.isdisjoint(columns) else (_ASKED, _ANSWERED)
    return (*turns, *_BESIDE_THE_TURNS)


def conversation(fields: Mapping[str, Any]) -> tuple[Message, ...]:
    """The messages of one record; the first carries its tools and the template's switch.

    Raises:
        UnfitRecordError: A turn, a call or a definition cannot be read.
    """
    messages = _messages(fields)
    system = value_text(fields["system"], "system") if fields.get("system") is not None else ""
    if system.strip() and not any(message.role == "system" for message in messages):
        messages.insert(0, Message("system", system))
    if messages:
        messages[0] = dataclasses.replace(messages[0], tools=_tools(fields), enable_thinking=_switch(fields))
    return tuple(_with_names_of_tools(messages))


def _messages(fields: Mapping[str, Any]) -> list[Message]:
    key = next((name for name in CONVERSATION_KEYS if fields.get(name) is not None), None)
    if key is not None:
        return _turns(fields[key], key)
    if not isinstance(fields.get(_ASKED), list):
        raise UnfitRecordError("has no `messages`")
    asked = [dataclasses.replace(message, trained=False) for message in _turns(fields[_ASKED], _ASKED)]
    return asked + (_turns(fields[_ANSWERED], _ANSWERED) if fields.get(_ANSWERED) is not None else [])


def _turns(value: Any, name: str) -> list[Message]:
    turns = _parsed(value, name) if _may_be_turns(value) else value
    if not isinstance(turns, list):
        raise UnfitRecordError(f"`{name}` is not a list of turns")
    return [message for index, turn in enumerate(turns) for message in _turn(turn, f"{name}[{index}]")]


def _may_be_turns(value: Any) -> bool:
    """A list, or text that begins as JSON with one of objects does."""
    return isinstance(value, list) or (isinstance(value, str) and _BEGINS_A_LIST.match(value) is not None)


def _turn(turn: Any, name: str) -> Iterator[Message]:
    """The message of a turn; two of one that holds a question with its answer."""
    if not isinstance(turn, dict):
        raise UnfitRecordError(f"`{name}` is not an object with `role` and `content`")
    if turn.get("human") is not None and turn.get("assistant") is not None:
        yield Message("user", _content(turn["human"], f"{name}.human"))
        turn = turn | {"role": "assistant", "content": turn["assistant"]}
    yield _message(turn, name)


def _message(turn: Mapping[str, Any], name: str) -> Message:
    spelt = str(_either(turn, "role", "from")).lower()
    role = _ROLES.get(spelt)
    if role is None:
        raise UnfitRecordError(f"`{name}` has no role out of {', '.join(_ROLES)}")
    said = _either(turn, "content", "value")
    if role != "assistant":
        return Message(
            role,
            _content(said, f"{name}.content"),
            tool_call_id=_optional(turn, ("tool_call_id",), name),
            name=_optional(turn, ("name",), name) if role == "tool" else "",
        )
    calls = _calls(said, f"{name}.value") if spelt in _CALLS else _calls_of(turn, name)
    silent = spelt in _CALLS or (said is None and bool(calls))
    return Message(
        role,
        "" if silent else _content(said, f"{name}.content"),
        trained=_is_trained(turn, name),
        reasoning=_optional(turn, _THOUGHTS, name),
        tool_calls=calls,
    )


def _either(turn: Mapping[str, Any], name: str, other: str) -> Any:
    return turn.get(other) if turn.get(name) is None else turn[name]


def _content(value: Any, name: str) -> str:
    """The text of a turn, which may be written as a list of parts of type `text`."""
    if not isinstance(value, list):
        return value_text(value, name)
    if not all(isinstance(part, dict) and part.get("type") == "text" for part in value):
        raise UnfitRecordError(f"`{name}` has parts that are not text")
    return "".join(value_text(part.get("text"), name) for part in value)


def _is_trained(turn: Mapping[str, Any], name: str) -> bool:
    key = next((key for key in _FLAGS if turn.get(key) is not None), None)
    if key is None:
        return True
    if turn[key] not in (0, 1):
        raise UnfitRecordError(f"`{name}.{key}` is {turn[key]!r}; a turn is trained (1, true) or not (0, false)")
    return bool(turn[key])


def _optional(turn: Mapping[str, Any], keys: Collection[str], name: str) -> str:
    key = next((key for key in keys if turn.get(key) is not None), None)
    return value_text(turn[key], f"{name}.{key}") if key else ""


# Tools


def _calls_of(turn: Mapping[str, Any], name: str) -> tuple[ToolCall, ...]:
    key = next((key for key in ("tool_calls", "function_call") if turn.get(key)), None)
    return _calls(turn[key], f"{name}.{key}") if key else ()


def _calls(value: Any, name: str) -> tuple[ToolCall, ...]:
    """Calls written as one object or a list of them, each plain or under `function`, any of it as JSON text."""
    read = _parsed(value, name)
    return tuple(_call(call, name) for call in (read if isinstance(read, list) else [read]))


def _call(value: Any, name: str) -> ToolCall:
    read = _parsed(value, name)
    inner = read.get("function", read) if isinstance(read, dict) else None
    if not isinstance(inner, dict) or not isinstance(inner.get("name"), str) or not inner["name"]:
        raise UnfitRecordError(f"`{name}` holds a call without the `name` of a tool")
    called = value_text(inner["name"], f"{name}.name")
    given = inner.get("arguments") or {}
    arguments = _parsed(given, f"{name}.arguments") if isinstance(given, str) else _without_nulls(given)
    if not isinstance(arguments, dict):
        raise UnfitRecordError(f"`{name}` calls `{called}` with arguments that are no object")
    return ToolCall(called, _json(arguments), _optional(read, ("id",), name))


def _tools(fields: Mapping[str, Any]) -> tuple[str, ...]:
    read = _parsed(fields.get("tools") or [], "tools")
    if not isinstance(read, list):
        raise UnfitRecordError("`tools` is not a list of definitions")
    return tuple(_definition(tool) for tool in read)


def _definition(value: Any) -> str:
    read = _parsed(value, "tools")
    inner = read.get("function", read) if isinstance(read, dict) else None
    if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
        raise UnfitRecordError("`tools` holds a definition without a `name`")
    return _json(_without_nulls(read if "function" in read else {"type": "function", "function": read}))


def _without_nulls(value: Any) -> Any:
    """The same without fields that are null: Parquet gives every object the fields of all others."""
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


def _with_names_of_tools(messages: Sequence[Message]) -> list[Message]:
    """Results of tools with the name of the tool, by the id of the call or by its place among the results."""
    named: list[Message] = []
    calls: list[ToolCall] = []
    for message in messages:
        if message.tool_calls:
            calls = list(message.tool_calls)
        elif message.role == "tool" and calls:
            answered = next((call for call in calls if call.id and call.id == message.tool_call_id), calls[0])
            calls.remove(answered)
            message = dataclasses.replace(message, name=message.name or answered.name)
        named.append(message)
    return named


def _switch(fields: Mapping[str, Any]) -> bool | None:
    arguments = _parsed(fields.get("chat_template_kwargs") or {}, "chat_template_kwargs")
    if not isinstance(arguments, dict) or not {_SWITCH}.issuperset(arguments):
        raise UnfitRecordError(
            f"`chat_template_kwargs` of a record may set `{_SWITCH}` alone; others stand in the recipe's model settings"
        )
    switch = arguments.get(_SWITCH)
    if switch is not None and not isinstance(switch, bool):
        raise UnfitRecordError(f"`chat_template_kwargs.{_SWITCH}` is neither true nor false")
    return switch


def _parsed(value: Any, name: str) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise UnfitRecordError(f"`{name}` is text that is no JSON") from None


def _json(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        text.encode("utf-8")
    except (TypeError, ValueError):
        raise UnfitRecordError("a tool has a value or a character that cannot be written as JSON") from None
    return text
