"""A chat template in, what it does out: found by asking it to write conversations of made-up words.

Nothing is told from a template's source or a model's name. Each probe puts words that stand nowhere else into one place
of a conversation and looks where they come out, and what the template has written around them.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from forgetless.errors import ModelError
from forgetless.thoughts import CLOSE, OPEN, with_thoughts

from .rendering import Renderer, Turn, Ways

QUESTION, ANSWER = "forgetlessasks", "forgetlesssays"
_THOUGHT, _TOOL, _KEY, _VALUE, _RESULT = (
    "forgetlessthinks", "forgetlesstool", "forgetlesskey", "forgetlessvalue", "forgetlessresult"
)  # fmt: skip
_DEFINITION = {
    "type": "function",
    "function": {
        "name": _TOOL,
        "description": "finds out",
        "parameters": {"type": "object", "properties": {_KEY: {"type": "string", "description": "what to find"}}},
    },
}

TokensIn = Callable[[str], list[str]]
"""The tokens of one kind that a text spells, in their order."""


class Stop(NamedTuple):
    """The token that ends an answer. A template that ends answers with nothing leaves it to the token that opens what
    comes next; then it is not `written`, and has to be added.
    """

    token: str
    written: bool


class ThoughtMarks(NamedTuple):
    """What a model writes around its thoughts, and before an answer without any; no white space around them."""

    opening: str
    closing: str
    without: str


class Reading(NamedTuple):
    """What one template does.

    Attributes:
        ways: How it takes what a message holds.
        opening: What stands before the user's words in a fresh conversation.
        after_question: What stands between them and the answer's prompt, and the prompt.
        stop: What ends an answer; `None` if nothing does.
        ending: All that stands after an answer, as text.
        call_stop: What ends a turn that calls tools.
        marks: What stands around thoughts; `None` if the template knows none.
    """

    ways: Ways
    opening: str
    after_question: str
    stop: Stop | None
    ending: str
    call_stop: Stop | None
    marks: ThoughtMarks | None


def read_template(render: Renderer, special: TokensIn, added: TokensIn) -> Reading:
    """Reads a template.

    Args:
        render: Renders with the template.
        special: Finds special tokens.
        added: Finds all tokens that were added to the vocabulary; they count where no special ones mark a turn's end.

    Raises:
        ModelError: It does not show what the user and the assistant say.
    """
    probe = _Probe(render, (special, added), parts=_takes_parts(render))
    prompt = probe.prompt()
    opening, _, after_question = prompt.partition(QUESTION)
    ways, marks = probe.thoughts()
    arguments = probe.arguments()
    ways = ways._replace(
        arguments=arguments, results=probe.shows_results(arguments), tools=probe.shows_tools(), switch=probe.switches()
    )
    call_stop = probe.call_stop(arguments) if arguments else None
    return Reading(ways, opening, after_question, probe.stop(), probe.ending(), call_stop, marks)


def _takes_parts(render: Renderer) -> bool:
    """Whether content is to be a list of parts: only where plain text is not shown."""
    for parts in (False, True):
        turns = [_turn("user", QUESTION, parts), _turn("assistant", ANSWER, parts)]
        if render.shows((QUESTION, ANSWER), turns):
            return parts
    # Rendered once more for what the template has to say about it.
    shown = render([_turn("user", QUESTION, False), _turn("assistant", ANSWER, False)], add_generation_prompt=False)
    raise ModelError(
        field="chat template",
        value=shown,
        rule="the model's chat template does not show what the user and the assistant said",
        way_out="use the chat template that the model was trained with",
    )


def _turn(role: str, content: str, parts: bool, **others: Any) -> Turn:
    return {"role": role, "content": [{"type": "text", "text": content}] if parts else content, **others}


class _Probe:
    """Made-up conversations, and what one template makes of them."""

    def __init__(self, render: Renderer, kinds: Sequence[TokensIn], *, parts: bool) -> None:
        self.render = render
        self.kinds = kinds
        self.parts = parts
        self.question = self.turn("user", QUESTION)
        self.answer = self.turn("assistant", ANSWER)

    def turn(self, role: str, content: str, **others: Any) -> Turn:
        return _turn(role, content, self.parts, **others)

    def written(self, *turns: Turn, enable_thinking: bool | None = None) -> str:
        return self.render(turns, add_generation_prompt=False, enable_thinking=enable_thinking)

    def prompt(self, enable_thinking: bool | None = None) -> str:
        return self.render([self.question], add_generation_prompt=True, enable_thinking=enable_thinking)

    def call(self, kind: Literal["object", "text"] | None, **others: Any) -> Turn:
        if kind is None:
            return self.answer
        arguments: Any = {_KEY: _VALUE} if kind == "object" else f'{{"{_KEY}": "{_VALUE}"}}'
        call = {"type": "function", "function": {"name": _TOOL, "arguments": arguments}}
        return self.turn("assistant", "", tool_calls=[call], **others)

    # Ends of turns

    def ending(self) -> str:
        return self.written(self.question, self.answer).rpartition(ANSWER)[2]

    def stop(self) -> Stop | None:
        last = self.ending()
        try:
            more = self.written(self.question, self.answer, self.turn("user", _RESULT))
        except ModelError:
            more = ""
        return self._stop(last, more.rpartition(ANSWER)[2].partition(_RESULT)[0])

    def call_stop(self, kind: Literal["object", "text"]) -> Stop | None:
        call = self.call(kind)
        last = self.written(self.question, call).rpartition(_VALUE)[2]
        try:
            more = self.written(self.question, call, self.turn("tool", _RESULT, name=_TOOL))
        except ModelError:
            more = ""
        return self._stop(last, more.rpartition(_VALUE)[2].partition(_RESULT)[0])

    def _stop(self, at_the_end: str, before_more: str) -> Stop | None:
        """The last token that ends a turn wherever it stands; else the one that ends the last turn; else the one that
        opens the next, unless it may open an answer as well.
        """
        for tokens_in in self.kinds:
            last, more = tokens_in(at_the_end), tokens_in(before_more)
            shared = [a for a, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(last, more, strict=False))]
            if shared or last:
                return Stop(shared[-1] if shared else last[0], written=True)
            lead_in = set(tokens_in(self.prompt().partition(QUESTION)[2]))
            opener = next((token for token in more if token not in lead_in), None)
            if opener is not None:
                return Stop(opener, written=False)
        return None

    # Thoughts

    def thoughts(self) -> tuple[Ways, ThoughtMarks | None]:
        fields = {"reasoning_content": _THOUGHT, "thinking": _THOUGHT, "reasoning": _THOUGHT}
        turn = self.turn("assistant", ANSWER, **fields)
        if self.render.shows((_THOUGHT, ANSWER), [self.question, turn]):
            return Ways(self.parts, "fields"), self._marks(turn, ANSWER)
        call = self.call("object", **fields)
        if self.render.shows((_THOUGHT, _TOOL), [self.question, call]):
            return Ways(self.parts, "fields"), self._marks(call, _TOOL)
        if self.prompt().rstrip().endswith(OPEN):
            inside = self.turn("assistant", with_thoughts(_THOUGHT, ANSWER))
            shown = self.render.shows((_THOUGHT, ANSWER), [self.question, inside])
            return Ways(self.parts, "inside" if shown else "prompt"), ThoughtMarks(OPEN, CLOSE, "")
        return Ways(self.parts, None), None

    def _marks(self, turn: Turn, after: str) -> ThoughtMarks | None:
        # Some templates prompt for no thoughts unless they are told to.
        for mode in (None, True):
            prompt, text = self.prompt(mode), self.written(self.question, turn, enable_thinking=mode)
            if text.startswith(prompt):
                return self._marks_between(prompt, text[len(prompt) :], after)
        return None

    def _marks_between(self, prompt: str, written: str, after: str) -> ThoughtMarks | None:
        opening, _, rest = written.partition(_THOUGHT)
        closing = rest.partition(after)[0]
        if after != ANSWER:
            # A call has markup of its own behind the thoughts.
            mark = next((tokens[0] for tokens_in in self.kinds if (tokens := tokens_in(closing))), closing)
            closing = closing.partition(mark)[0] + mark
        opening = opening.strip() or _last_tag(prompt)
        plain = self.written(self.question, self.answer)
        without = plain[len(prompt) :].partition(ANSWER)[0].strip() if plain.startswith(prompt) else ""
        if not (opening and closing.strip()):
            return None
        return ThoughtMarks(opening, closing.strip(), "" if without.startswith(opening) else without)

    def switches(self) -> bool:
        return self.prompt(enable_thinking=True) != self.prompt(enable_thinking=False)

    # Tools

    def arguments(self) -> Literal["object", "text"] | None:
        kinds: Sequence[Literal["object", "text"]] = ("object", "text")
        return next((k for k in kinds if self.render.shows((_TOOL, _KEY, _VALUE), [self.question, self.call(k)])), None)

    def shows_results(self, kind: Literal["object", "text"] | None) -> bool:
        return self.render.shows((_RESULT,), [self.question, self.call(kind), self.turn("tool", _RESULT, name=_TOOL)])

    def shows_tools(self) -> bool:
        return self.render.shows((_TOOL,), [self.question], tools=[_DEFINITION])


def _last_tag(prompt: str) -> str:
    """The tag that a prompt ends with, such as `<think>`."""
    found = re.search(r"<[^<]*\Z", prompt)
    return found[0].strip() if found else ""
