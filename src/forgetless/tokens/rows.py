"""Many rows to ids: what can be trained on, and what was left out and why."""

from __future__ import annotations

from collections.abc import Iterable

from forgetless.errors import ModelError
from forgetless.records import Row

from .chat_format import ChatFormat
from .encoded import Encoded, TokenReject


def encode_rows(
    rows: Iterable[Row], chat_format: ChatFormat, *, max_length: int
) -> tuple[list[Encoded], list[TokenReject]]:
    """Encodes every row, or says why not; each row is in exactly one of the two lists, in order.

    Args:
        rows: Conversations and raw texts.
        chat_format: The model's way to write them.
        max_length: The most tokens a row may have. Longer rows are left out whole: a conversation that is cut loses
            the end of its answer, and would teach the model to stop in the middle.

    Raises:
        ModelError: There is a conversation, and no chat template to write it with.
    """
    encoded: list[Encoded] = []
    rejects: list[TokenReject] = []
    for row in rows:
        if row.messages:
            chat_format.require_template()
        outcome = _encode(row, chat_format, max_length)
        if isinstance(outcome, Encoded):
            encoded.append(outcome)
        else:
            rejects.append(outcome)
    return encoded, rejects


def _encode(row: Row, chat_format: ChatFormat, max_length: int) -> Encoded | TokenReject:
    try:
        encoded = chat_format.encode_row(row)
    except ModelError as error:
        return TokenReject(row.id, row.source, row.origin, error.rule)
    length = len(encoded.input_ids)
    if length > max_length:
        reason = f"has {length} tokens, more than the {max_length} of `training.max_length_tokens`"
        return TokenReject(row.id, row.source, row.origin, reason, length)
    if encoded.trained_tokens == 0:
        return TokenReject(row.id, row.source, row.origin, "has no token to learn from", length)
    return encoded
