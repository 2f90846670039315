"""A record in, a row out: conversations, Alpaca, prompt and completion, a template over columns, raw text.

The shape is told from the names of the fields, and only where no content would be dropped by it: a file with `text`
and `category`, or with a question, choices and an answer, is not guessed at. What does not fit is rejected with a
reason; an empty answer is never trained on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from forgetless.errors import DataError
from forgetless.recipe import RowTemplate
from forgetless.records import Message, Role, Row
from forgetless.rundir import content_hash
from forgetless.sources.json_reader import CONVERSATION_KEYS
from forgetless.sources.record import Record, Reject, UnfitRecordError, preview
from forgetless.sources.templates import column_text, columns_used, fill, value_text

SHAPES = ("messages", "alpaca", "prompt_completion", "template", "text")

_PAIRS = (("prompt", "completion"), ("prompt", "response"), ("question", "answer"), ("input", "output"))
_INSTRUCTION_INPUTS = ("input", "context")
_INSTRUCTION_OUTPUTS = ("output", "response")
# Columns that carry meaning which a plain pair would lose.
_MORE_THAN_A_PAIR = frozenset({"choices", "options", "context", "passage"})
# Columns that say where a text is from; any other column beside `text` may be its label.
_ABOUT_A_TEXT = frozenset(
    {"text", "id", "_id", "uuid", "url", "source", "meta", "metadata", "timestamp", "date", "language", "lang", "title"}
)
_ROLES: dict[str, Role] = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user", "prompter": "user",
    "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant", "model": "assistant", "bot": "assistant",
    "tool": "tool", "function": "tool", "observation": "tool", "tool_response": "tool", "function_response": "tool",
}  # fmt: skip
_CALLS = frozenset({"function_call", "tool_call"})


def detect_shape(fields: Mapping[str, Any], *, prompts_only: bool = False) -> str | None:
    """The shape that the names of the fields speak of, or `None` if they speak of none.

    Args:
        fields: One record.
        prompts_only: Whether a prompt without an answer is enough.
    """
    if any(isinstance(fields.get(key), list) for key in CONVERSATION_KEYS):
        return "messages"
    if "instruction" in fields and (prompts_only or _first(_INSTRUCTION_OUTPUTS, fields)):
        return "alpaca"
    if _pair(fields, prompts_only=prompts_only) and _MORE_THAN_A_PAIR.isdisjoint(fields):
        return "prompt_completion"
    if "text" in fields and _ABOUT_A_TEXT.issuperset(fields):
        return "text"
    return None


def columns_read(shape: str, columns: Collection[str], template: RowTemplate | None) -> tuple[str, ...]:
    """The columns that a shape reads; the others are left out of the rows."""
    if shape == "template":
        assert template is not None
        texts = (template.system or "", template.prompt, template.completion)
        return tuple(dict.fromkeys(name for text in texts for name in columns_used(text, columns, field="template")))
    known = {
        "messages": ("system", *CONVERSATION_KEYS),
        "alpaca": ("system", "instruction", *_INSTRUCTION_INPUTS, *_INSTRUCTION_OUTPUTS),
        "prompt_completion": ("system", *(_pair(columns) or _pair(columns, prompts_only=True) or ())),
        "text": ("text",),
    }[shape]
    return tuple(name for name in known if name in columns)


def row_from_record(
    record: Record, *, shape: str, template: RowTemplate | None, source: str, prompts_only: bool = False
) -> Row | Reject:
    """The row that a record stands for, or why there is none.

    Args:
        record: One record.
        shape: One of `SHAPES`.
        template: What to write over the columns, with the shape `template`.
        source: The name of the source in the recipe.
        prompts_only: Keep the conversation up to its last user turn; answers are neither needed nor read, and raw
            text is a prompt.

    Returns:
        A `Row` whose `id` is a hash of its content alone, with every assistant turn trained unless the record says
        otherwise (`weight: 0` or `trained: false`); or a `Reject`.
    """
    try:
        if shape == "text" and not prompts_only:
            text = _text_with_content(record.fields, "text")
            return Row(id=content_hash(text), source=source, text=text, origin=record.origin)
        messages = _messages(record.fields, shape, template, prompts_only=prompts_only)
        messages = _prompt_of(messages) if prompts_only else _checked(messages)
    except UnfitRecordError as reason:
        return Reject(record.origin, str(reason), preview(record.fields))
    # Spelled out, so that a field that messages may gain does not change the id of every row there is.
    content = [(message.role, message.content, message.trained) for message in messages]
    return Row(id=content_hash(content), source=source, messages=messages, origin=record.origin)


def _messages(
    fields: Mapping[str, Any], shape: str, template: RowTemplate | None, *, prompts_only: bool
) -> tuple[Message, ...]:
    if shape == "messages":
        return _conversation(fields)
    if shape == "template":
        assert template is not None
        return _templated(fields, template, prompts_only=prompts_only)
    if shape == "text":
        return (Message("user", _text_with_content(fields, "text")),)
    prompt, answer_column = (_alpaca if shape == "alpaca" else _prompt_completion)(fields, prompts_only=prompts_only)
    answer = None if prompts_only else column_text(fields, answer_column)
    system = value_text(fields["system"], "system") if fields.get("system") is not None else ""
    return _exchange(system, prompt, answer)


def _alpaca(fields: Mapping[str, Any], *, prompts_only: bool) -> tuple[str, str]:
    if fields.get("history"):
        raise UnfitRecordError("has a `history`, which this shape does not hold; write the turns as `messages`")
    parts = [column_text(fields, "instruction")]
    parts += [value_text(fields[name], name) for name in _INSTRUCTION_INPUTS if fields.get(name) is not None]
    return "\n\n".join(part for part in parts if part.strip()), _first(_INSTRUCTION_OUTPUTS, fields) or "output"


def _prompt_completion(fields: Mapping[str, Any], *, prompts_only: bool) -> tuple[str, str]:
    pair = _pair(fields, prompts_only=prompts_only)
    if pair is None:
        raise UnfitRecordError(f"has none of the pairs {', '.join(f'`{a}`/`{b}`' for a, b in _PAIRS)}")
    return column_text(fields, pair[0]), pair[1]


def _templated(fields: Mapping[str, Any], template: RowTemplate, *, prompts_only: bool) -> tuple[Message, ...]:
    try:
        system = fill(template.system, fields, field="template.system") if template.system else ""
        prompt = fill(template.prompt, fields, field="template.prompt")
        answer = None if prompts_only else fill(template.completion, fields, field="template.completion")
    except DataError as error:
        raise UnfitRecordError(error.rule) from None
    return _exchange(system, prompt, answer)


def _exchange(system: str, prompt: str, answer: str | None) -> tuple[Message, ...]:
    opening = (Message("system", system),) if system.strip() else ()
    closing = (Message("assistant", answer, trained=True),) if answer is not None else ()
    return (*opening, Message("user", prompt), *closing)


def _conversation(fields: Mapping[str, Any]) -> tuple[Message, ...]:
    key = _first(CONVERSATION_KEYS, fields)
    turns = fields[key] if key else None
    if not isinstance(turns, list):
        raise UnfitRecordError(f"`{key}` is not a list of turns" if key else "has no `messages`")
    messages = tuple(message for index, turn in enumerate(turns) for message in _turn(turn, f"{key}[{index}]"))
    system = value_text(fields["system"], "system") if fields.get("system") is not None else ""
    if system.strip() and not any(message.role == "system" for message in messages):
        return (Message("system", system), *messages)
    return messages


def _turn(turn: Any, name: str) -> tuple[Message, ...]:
    """The message of `role` and `content`, or of ShareGPT's `from` and `value`; two for a `human` and `assistant`."""
    if not isinstance(turn, dict):
        raise UnfitRecordError(f"`{name}` is not an object with `role` and `content`")
    if turn.get("human") is not None and turn.get("assistant") is not None:
        question, answer = (value_text(turn[key], f"{name}.{key}") for key in ("human", "assistant"))
        return Message("user", question), Message("assistant", answer, trained=_is_trained(turn))
    spoken_by = str(_either(turn, "role", "from")).lower()
    if turn.get("tool_calls") or turn.get("function_call") or spoken_by in _CALLS:
        raise UnfitRecordError(f"`{name}` calls a tool, and tool calls are not trained")
    role = _ROLES.get(spoken_by)
    if role is None:
        raise UnfitRecordError(f"`{name}` has no role out of {', '.join(_ROLES)}")
    content = _content(_either(turn, "content", "value"), f"{name}.content")
    return (Message(role, content, trained=role == "assistant" and _is_trained(turn)),)


def _either(turn: Mapping[str, Any], name: str, other: str) -> Any:
    """The field of the first name, or of the other where there is none: Parquet gives every turn all names."""
    return turn.get(other) if turn.get(name) is None else turn[name]


def _is_trained(turn: Mapping[str, Any]) -> bool:
    flag = _either(turn, "trained", "weight")
    return flag is None or bool(flag)


def _content(value: Any, name: str) -> str:
    """The text of a turn, which may be written as a list of parts of type `text`."""
    if not isinstance(value, list):
        return value_text(value, name)
    if not all(isinstance(part, dict) and part.get("type") == "text" for part in value):
        raise UnfitRecordError(f"`{name}` has parts that are not text")
    return "".join(value_text(part.get("text"), name) for part in value)


def _checked(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    if not any(message.role == "user" and message.content.strip() for message in messages):
        raise UnfitRecordError("the prompt is empty")
    if any(message.role == "assistant" and not message.content.strip() for message in messages):
        raise UnfitRecordError("the answer is empty")
    if not any(message.trained for message in messages):
        raise UnfitRecordError("has no answer to train on")
    return messages


def _prompt_of(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    last = max((index for index, message in enumerate(messages) if message.role == "user"), default=-1)
    if last < 0 or not messages[last].content.strip():
        raise UnfitRecordError("the prompt is empty")
    return messages[: last + 1]


def _text_with_content(fields: Mapping[str, Any], name: str) -> str:
    text = column_text(fields, name)
    if not text.strip():
        raise UnfitRecordError(f"`{name}` is empty")
    return text


def _first(names: Collection[str], fields: Collection[str]) -> str | None:
    return next((name for name in names if name in fields), None)


def _pair(fields: Collection[str], *, prompts_only: bool = False) -> tuple[str, str] | None:
    return next((pair for pair in _PAIRS if pair[0] in fields and (prompts_only or pair[1] in fields)), None)
