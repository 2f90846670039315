"""Rows to ids and loss mask.

The span of an answer is found by rendering prefixes: it begins where the prompt before it ends, as the model sees that
prompt at inference, and ends where the conversation up to and with it ends. Where the rendering of a prompt is not how
the whole conversation begins, the tokens to be trained would not be the tokens met at inference, and the row is
refused in words.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

from forgetless.errors import ModelError
from forgetless.records import Row

from .encoded import IGNORED, Encoded
from .pieces import SEAM, Tokens

if TYPE_CHECKING:
    from .chat_format import ChatFormat


class _Span(NamedTuple):
    """Where an answer stands in the seamed text, and the prompt that the model answers at inference."""

    start: int
    end: int
    prompt: str


def encode_text(row: Row, chat: ChatFormat) -> Encoded:
    """Raw text: every token carries loss but the first, which nothing predicts."""
    text = row.text or ""
    ids = chat.encode_plain(text).ids
    seams = chat.pieces.guard(text).count(SEAM)
    return Encoded(ids, [IGNORED, *ids[1:]] if ids else [], row.id, row.source, plain_specials=seams)


def encode_conversation(row: Row, chat: ChatFormat) -> Encoded:
    """A conversation: the assistant turns marked as trained carry loss, each with the stop token that ends it.

    Raises:
        ModelError: No turn is trained, the template rewrites earlier turns, or it ends answers with no special token.
    """
    spans, text = _answer_spans(row, chat)
    tokens, split = _tokens_with_clean_boundaries(text, spans, chat)
    labels = [IGNORED] * len(tokens.ids)
    for span in spans:
        first = bisect_left(tokens.starts, span.start)
        last = _stop_position(tokens, first, span.end, chat)
        if last is None:
            raise _refused(row, "the chat template ends the answer with no stop token, so the model would never stop")
        labels[first : last + 1] = tokens.ids[first : last + 1]
    return Encoded(tokens.ids, labels, row.id, row.source, plain_specials=text.count(SEAM), split_boundaries=split)


def _answer_spans(row: Row, chat: ChatFormat) -> tuple[list[_Span], str]:
    messages = row.messages
    text = chat.seamed(messages, add_generation_prompt=False)
    spans = []
    for i, message in enumerate(messages):
        if not (message.role == "assistant" and message.trained):
            continue
        prompt = chat.seamed(messages[:i], add_generation_prompt=True)
        is_last = i == len(messages) - 1
        upto = text if is_last else chat.seamed(messages[: i + 1], add_generation_prompt=False)
        if not (text.startswith(prompt) and text.startswith(upto) and len(upto) > len(prompt)):
            raise _refused(
                row,
                "the chat template writes this conversation otherwise once it goes on (many templates drop an earlier "
                "turn's thoughts), so the tokens trained would not be the tokens met at inference",
            )
        spans.append(_Span(len(prompt), len(upto), prompt))
    if not spans:
        raise _refused(row, "no assistant turn is marked as trained, so there is nothing to learn from it")
    return spans, text


def _tokens_with_clean_boundaries(text: str, spans: list[_Span], chat: ChatFormat) -> tuple[Tokens, int]:
    """Tokens in which every trained answer's prompt has the very ids that the model meets at inference."""
    tokens = chat.pieces.tokens(text)
    prompts = chat.pieces.ids([span.prompt for span in spans])
    cuts = [span.start for span, prompt in zip(spans, prompts, strict=True) if tokens.ids[: len(prompt)] != prompt]
    return (chat.pieces.tokens(text, cuts), len(cuts)) if cuts else (tokens, 0)


def _stop_position(tokens: Tokens, first: int, end: int, chat: ChatFormat) -> int | None:
    # Content cannot hold a stop token, because content never turns into special tokens: the first one is the end.
    for i in range(first, len(tokens.ids)):
        if tokens.starts[i] >= end:
            return None
        if tokens.ids[i] in chat.stop_ids:
            return i
    return None


def _refused(row: Row, reason: str) -> ModelError:
    return ModelError(
        field=f"sources.{row.source}",
        value=row.origin or row.id,
        rule=reason,
        way_out="train on the last turn only, or use a chat template that only ever adds to what it has written",
    )
