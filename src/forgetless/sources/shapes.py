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
from forgetless.records import Message
from forgetless.sources.content import Written, written
from forgetless.sources.conversations import columns_of_turns, conversation, is_conversation
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


def detect_shape(fields: Mapping[str, Any], *, prompts_only: bool = False) -> str | None:
    """The shape that the names of the fields speak of, or `None` if they speak of none.

    Args:
        fields: One record.
        prompts_only: Whether a prompt without an answer is enough.
    """
    if is_conversation(fields, prompts_only=prompts_only):
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
        texts = (template.system or "", template.prompt, template.completion or "")
        return tuple(dict.fromkeys(name for text in texts for name in columns_used(text, columns, field="template")))
    known = {
        "messages": columns_of_turns(columns),
        "alpaca": ("system", "instruction", *_INSTRUCTION_INPUTS, *_INSTRUCTION_OUTPUTS),
        "prompt_completion": ("system", *(_pair(columns) or _pair(columns, prompts_only=True) or ())),
        "text": ("text",),
    }[shape]
    return tuple(name for name in known if name in columns)


def row_from_record(
    record: Record, *, shape: str, template: RowTemplate | None, source: str, prompts_only: bool = False
) -> Written | Reject:
    """The row that a record stands for, or why there is none.

    Args:
        record: One record.
        shape: One of `SHAPES`.
        template: What to write over the columns, with the shape `template`.
        source: The name of the source in the recipe.
        prompts_only: Keep the conversation up to its last user turn; answers are neither needed nor read, and raw
            text is a prompt.

    Returns:
        A `Row` whose `id` is a hash of its content alone, and that content as text; every assistant turn is trained
        unless the record says otherwise (`weight: 0`, `train: false` or `trained: false`). Or a `Reject`.
    """
    try:
        if shape == "text" and not prompts_only:
            return written((), _text_with_content(record.fields, "text"), source=source, origin=record.origin)
        messages = _messages(record.fields, shape, template, prompts_only=prompts_only)
        messages = _prompt_of(messages) if prompts_only else _checked(messages)
    except UnfitRecordError as reason:
        return Reject(record.origin, str(reason), preview(record.fields))
    return written(messages, None, source=source, origin=record.origin)


def _messages(
    fields: Mapping[str, Any], shape: str, template: RowTemplate | None, *, prompts_only: bool
) -> tuple[Message, ...]:
    if shape == "messages":
        return conversation(fields)
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
        answer = None if prompts_only else fill(template.completion or "", fields, field="template.completion")
    except DataError as error:
        raise UnfitRecordError(error.rule) from None
    return _exchange(system, prompt, answer)


def _exchange(system: str, prompt: str, answer: str | None) -> tuple[Message, ...]:
    opening = (Message("system", system),) if system.strip() else ()
    closing = (Message("assistant", answer, trained=True),) if answer is not None else ()
    return (*opening, Message("user", prompt), *closing)


def _checked(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    if not any(message.role == "user" and message.content.strip() for message in messages):
        raise UnfitRecordError("the prompt is empty")
    if any(m.role == "assistant" and not (m.content.strip() or m.tool_calls) for m in messages):
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
