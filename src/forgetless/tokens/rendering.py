"""A conversation in, the text that a chat template makes of it out.

Templates differ in what they read: content as text or as a list of parts, thoughts in a field or inside the content,
arguments of a call as an object or as text. `Ways` says what one template reads, and `as_turns` writes messages so.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from jinja2.exceptions import TemplateError, TemplateSyntaxError
from transformers import PreTrainedTokenizerBase

from forgetless.errors import ModelError
from forgetless.records import Message, ToolCall
from forgetless.thoughts import split_thoughts, with_thoughts

_TODAY = datetime.date(2025, 1, 1)
"""Templates that print the date get this one: a run resumed after midnight must see the tokens it saw before."""
_DATE_CALL = re.compile(r"""strftime_now\(\s*(["'])(.+?)\1\s*\)""")
_TEMPLATE_ERRORS = (TemplateError, TypeError, ValueError, LookupError, AttributeError)
"""What a template may raise on purpose or by tripping over a conversation that it was not written for."""
_THOUGHT_FIELDS = ("reasoning_content", "thinking", "reasoning")

Turn = dict[str, Any]
Guard = Callable[[str], str]
"""Makes text harmless for a tokenizer; see `PieceTokenizer.guard`."""


class Ways(NamedTuple):
    """How one template takes what a message holds; `None` or false where it does not show it.

    Attributes:
        parts: Content is a list of parts of type `text`, not a text.
        thoughts: In `fields` of their own; `inside` the content between `<think>` and `</think>`; or nowhere, while
            the `prompt` for an answer opens them.
        arguments: Arguments of tool calls as an object, or as JSON text.
        results: Results of tools are shown.
        tools: Definitions of tools are shown.
        switch: `enable_thinking` makes a difference.
    """

    parts: bool = False
    thoughts: Literal["fields", "inside", "prompt"] | None = "fields"
    arguments: Literal["object", "text"] | None = "object"
    results: bool = True
    tools: bool = True
    switch: bool = True


class Renderer:
    """Renders conversations with one template.

    Args:
        tokenizer: Its special tokens are known to the template.
        template: The Jinja source; dates in it stand still.
        arguments: What the recipe passes to the template.

    Raises:
        ModelError: The template reads none of the names that an argument has.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, template: str, arguments: Mapping[str, Any]) -> None:
        self._tokenizer = tokenizer
        self._template = _DATE_CALL.sub(lambda call: repr(_TODAY.strftime(call[2])), template)
        self._arguments = dict(arguments)
        unread = [name for name in arguments if not re.search(rf"\b{re.escape(name)}\b", template)]
        if unread:
            raise ModelError(
                field=f"model.chat_template_kwargs.{unread[0]}",
                value=arguments[unread[0]],
                rule="the chat template does not read this name, so it would change nothing",
                way_out="remove it, or look into the template for the names that it reads",
            )

    def __call__(
        self,
        turns: Sequence[Turn],
        *,
        tools: Sequence[Any] = (),
        add_generation_prompt: bool,
        enable_thinking: bool | None = None,
    ) -> str:
        """The conversation as text.

        Raises:
            ModelError: The template refuses it.
        """
        switch = {} if enable_thinking is None else {"enable_thinking": enable_thinking}
        try:
            return self._tokenizer.apply_chat_template(
                [list(turns)],
                tools=list(tools) or None,
                tokenize=False,
                chat_template=self._template,
                add_generation_prompt=add_generation_prompt,
                **{**self._arguments, **switch},
            )[0]
        except TemplateSyntaxError as error:
            raise ModelError(
                field="chat template",
                value=f"line {error.lineno:,}",
                rule=f"this is no valid Jinja template: {error.message}",
                way_out="mend this line of the template",
            ) from None
        except _TEMPLATE_ERRORS as error:
            raise ModelError(
                field="chat template",
                value=f"a conversation of the roles {', '.join(turn['role'] for turn in turns)}",
                rule=f"the model's chat template refuses it: {error}",
                way_out="leave out or merge the turns that it does not know (often `system`), or use another template",
            ) from None

    def shows(self, wanted: Iterable[str], turns: Sequence[Turn], *, tools: Sequence[Any] = ()) -> bool:
        """Whether the template takes these turns and shows every one of some texts."""
        try:
            text = self(turns, tools=tools, add_generation_prompt=False)
        except ModelError:
            return False
        return all(part in text for part in wanted)


def as_turns(messages: Sequence[Message], ways: Ways, guard: Guard) -> list[Turn]:
    """The messages as a template reads them, every text in them guarded.

    Raises:
        ModelError: The template would not show a tool call, the result of a tool, or the definitions of tools.
    """
    for message in messages:
        if message.tool_calls and ways.arguments is None:
            raise _not_shown(f"a call of `{message.tool_calls[0].name}`", "does not show calls of tools")
        if message.role == "tool" and not ways.results:
            raise _not_shown("the result of a tool", "does not show what tools answer")
        if message.tools and not ways.tools:
            raise _not_shown(f"{len(message.tools)} tools", "does not show which tools there are")
    return [_as_turn(apart(message, ways), ways, guard) for message in messages]


def tool_definitions(messages: Sequence[Message], guard: Guard) -> list[Any]:
    """The tools of a conversation, every text in them guarded."""
    return [_guarded(json.loads(tool), guard) for message in messages for tool in message.tools]


def thinking_mode(messages: Sequence[Message], *, switches: bool = False) -> bool | None:
    """What a conversation asks of the template's `enable_thinking`: its last word counts.

    Where the template `switches`, a question that wants a brief answer is one to be answered without thoughts.
    """
    asked = next((m.enable_thinking for m in reversed(messages) if m.enable_thinking is not None), None)
    return False if asked is None and switches and any(m.brief for m in messages) else asked


def apart(message: Message, ways: Ways) -> Message:
    """The message with thoughts taken out of its content, where the template has a place for them."""
    said = split_thoughts(message.content)
    inside = message.role == "assistant" and not message.reasoning and said.answer != message.content
    if ways.thoughts is None or not inside or not said.finished:
        return message
    return dataclasses.replace(message, reasoning=said.thoughts, content=said.answer)


def _as_turn(message: Message, ways: Ways, guard: Guard) -> Turn:
    content, thoughts = guard(message.content), guard(message.reasoning)
    if ways.thoughts == "inside":
        content = with_thoughts(thoughts, content)
    turn: Turn = {"role": message.role, "content": [{"type": "text", "text": content}] if ways.parts else content}
    if thoughts and ways.thoughts == "fields":
        turn |= dict.fromkeys(_THOUGHT_FIELDS, thoughts)
    if message.tool_calls:
        turn["tool_calls"] = [_as_call(call, ways, guard) for call in message.tool_calls]
    named = {"name": guard(message.name), "tool_call_id": guard(message.tool_call_id)}
    return turn | {key: text for key, text in named.items() if text}


def _as_call(call: ToolCall, ways: Ways, guard: Guard) -> Turn:
    arguments = _guarded(json.loads(call.arguments), guard)
    if ways.arguments == "text":
        arguments = json.dumps(arguments, ensure_ascii=False)
    function = {"name": guard(call.name), "arguments": arguments}
    return {"type": "function", "function": function} | ({"id": guard(call.id)} if call.id else {})


def _guarded(value: Any, guard: Guard) -> Any:
    if isinstance(value, str):
        return guard(value)
    if isinstance(value, list):
        return [_guarded(part, guard) for part in value]
    if isinstance(value, dict):
        return {guard(key): _guarded(part, guard) for key, part in value.items()}
    return value


def _not_shown(value: str, rule: str) -> ModelError:
    return ModelError(
        field="chat template",
        value=value,
        rule=f"the chat template {rule}, so the model would see nothing of it",
        way_out="write it into the content as the model knows it, or set `model.template` to one that shows it",
    )
