"""Rows to ids and loss mask.

A trained answer is rendered twice: the prompt before it, as the model meets it at inference, and the conversation up to
and with it. What the second adds to the first, up to the token that ends the turn, carries loss. Answers that stand in
a later answer's text just so share its document; where the template has rewritten them by then (many drop the thoughts
of earlier turns), they get a document of their own. So every token is trained where it is met.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from forgetless.errors import ModelError
from forgetless.records import Message, Row

from .encoded import IGNORED, Encoded
from .pieces import SEAM, Tokens
from .rendering import apart, thinking_mode

if TYPE_CHECKING:
    from .chat_format import ChatFormat


class _Answer(NamedTuple):
    """A trained turn: `text` is the conversation up to it, and the loss covers `text[len(prompt) : end]`."""

    prompt: str
    text: str
    end: int
    thoughtless: bool

    @property
    def trained_up_to(self) -> str:
        return self.text[: self.end]


def encode_text(row: Row, chat: ChatFormat) -> Encoded:
    """Raw text: every token carries loss but the first, which nothing predicts."""
    text = row.text or ""
    ids = chat.encode_plain(text).ids
    seams = chat.pieces.guard(text).count(SEAM)
    return Encoded(ids, [IGNORED, *ids[1:]] if ids else [], row.id, row.source, plain_specials=seams)


def encode_conversation(row: Row, chat: ChatFormat) -> list[Encoded]:
    """A conversation: the assistant turns marked as trained carry loss, each with the stop token that ends it.

    Raises:
        ModelError: No turn is trained, or the template does not write one so that it could be trained.
    """
    trained = [i for i, message in enumerate(row.messages) if message.role == "assistant" and message.trained]
    if not trained:
        raise _refused(row, "no assistant turn is marked as trained, so there is nothing to learn from it")
    documents: list[list[_Answer]] = []
    for i in reversed(trained):
        answer = _answer(row, row.messages[: i + 1], chat)
        home = next((d for d in documents if d[0].text.startswith(answer.trained_up_to)), None)
        if home is None:
            documents.append([answer])
        else:
            home.append(answer)
    return [_encoded(row, document, chat) for document in reversed(documents)]


def _answer(row: Row, messages: Sequence[Message], chat: ChatFormat) -> _Answer:
    try:
        prompt = chat.seamed(messages[:-1], add_generation_prompt=True)
        text = chat.seamed(messages, add_generation_prompt=False)
    except ModelError as error:
        raise _refused(row, error.rule) from None
    assert chat.reading is not None
    ways = chat.reading.ways
    answer = apart(messages[-1], ways)
    if not text.startswith(prompt):
        continued = chat.composed(prompt, text, chat.pieces.guard(answer.reasoning))
        if continued is None:
            raise _refused(row, _prompt_differs(chat))
        text = continued
    _check_whole(row, answer, text[len(prompt) :], chat)
    stop = chat.stop_of(answer)
    if stop is not None and not stop.written:
        text += stop.token
    end = text.find(stop.token, len(prompt)) if stop else -1
    if stop is None or end < 0:
        raise _refused(row, _no_stop(chat.reading.ending.strip()))
    mode = thinking_mode(messages)
    told_not_to = (chat.arguments.get("enable_thinking") if mode is None else mode) is False
    thoughtless = ways.thoughts is not None and not answer.reasoning and not told_not_to
    return _Answer(prompt, text, end + len(stop.token), thoughtless)


def _no_stop(ending: str) -> str:
    reason = "the chat template ends the answer with no stop token, so the model would never stop"
    if not ending:
        return reason
    return (
        f"{reason}: `{ending}` is no token of this model; set `model.template` to one whose tokens it knows, which is "
        "that of its own family"
    )


def _check_whole(row: Row, answer: Message, written: str, chat: ChatFormat) -> None:
    """Templates leave out what they were not written for: content beside a call, the second of two calls, thoughts."""
    squeezed = _squeezed(written)
    if _squeezed(chat.pieces.guard(answer.reasoning)) not in squeezed:
        raise _refused(row, "the chat template does not write the thoughts of this turn")
    if _squeezed(chat.pieces.guard(answer.content)) not in squeezed:
        raise _refused(row, "the chat template leaves out or rewrites a part of what this turn says")
    names = [call.name for call in answer.tool_calls]
    if any(written.count(chat.pieces.guard(name)) < names.count(name) for name in names):
        raise _refused(row, "the chat template leaves out a tool call of this turn")


def _squeezed(text: str) -> str:
    """Without white space, which templates trim and add at will."""
    return "".join(text.split())


def _prompt_differs(chat: ChatFormat) -> str:
    reason = (
        "the chat template asks for this answer in another way than it writes it, so the tokens trained would not be "
        "the tokens met at inference"
    )
    if chat.switches_thinking:
        reason += (
            "; its prompt opens a thought for an answer without one, or none for an answer that has one: set "
            "`model.chat_template_kwargs: {enable_thinking: ...}` to fit the data, or row by row"
        )
    return reason


def _encoded(row: Row, answers: Sequence[_Answer], chat: ChatFormat) -> Encoded:
    """One document; its text is that of the first of its answers, which stands last in the conversation."""
    text = answers[0].text
    tokens, split = _tokens_with_clean_boundaries(text, [answer.prompt for answer in answers], chat)
    labels = [IGNORED] * len(tokens.ids)
    for answer in answers:
        for i, start in enumerate(tokens.starts):
            if len(answer.prompt) <= start < answer.end:
                labels[i] = tokens.ids[i]
    thoughtless = sum(answer.thoughtless for answer in answers)
    return Encoded(tokens.ids, labels, row.id, row.source, text.count(SEAM), split, thoughtless)


def _tokens_with_clean_boundaries(text: str, prompts: Sequence[str], chat: ChatFormat) -> tuple[Tokens, int]:
    """Tokens in which every trained answer's prompt has the very ids that the model meets at inference."""
    tokens = chat.pieces.tokens(text)
    ids = chat.pieces.ids(prompts)
    cuts = [len(prompt) for prompt, own in zip(prompts, ids, strict=True) if tokens.ids[: len(own)] != own]
    return (chat.pieces.tokens(text, cuts), len(cuts)) if cuts else (tokens, 0)


def _refused(row: Row, reason: str) -> ModelError:
    return ModelError(
        field=f"sources.{row.source}",
        value=row.origin or row.id,
        rule=reason,
        way_out="mend the row, or set `model.template` to a template that writes it",
    )
