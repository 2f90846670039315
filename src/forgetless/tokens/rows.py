"""Many rows to ids: what can be trained on, what was left out and why, and an account of both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from forgetless.errors import ModelError
from forgetless.records import Row
from forgetless.sources import preview

from .chat_format import ChatFormat
from .encoded import Encoded, TokenReject
from .shortening import in_pieces, shortened

LongRows = Literal["reject", "cut_prompt"]
LongTexts = Literal["reject", "split"]


@dataclass(frozen=True, slots=True)
class Account:
    """What became of the rows of one source.

    Attributes:
        rows: Rows that are trained on.
        documents: Documents that they became.
        split_rows: Rows that became several, because the template rewrites earlier turns.
        plain_specials: Rows whose own text spells special tokens, which were read as plain text.
        split_boundaries: Answers tokenised apart from their prompts.
        thoughtless: Answers without thoughts in a template that has a place for them.
        cut_rows: Rows whose prompt was cut to fit.
        cut_tokens: Tokens that went with it.
        rejected: Rows left out, by reason.
        sampled_from: Rows that the source has, where all of this was counted over a sample of them.
        split_texts: Raw texts that became several documents, because they are longer than one may be.
    """

    rows: int
    documents: int
    split_rows: int
    plain_specials: int
    split_boundaries: int
    thoughtless: int
    cut_rows: int
    cut_tokens: int
    rejected: dict[str, int]
    sampled_from: int | None = None
    split_texts: int = 0


def encode_rows(
    rows: Iterable[Row],
    chat_format: ChatFormat,
    *,
    max_length: int,
    long_rows: LongRows = "reject",
    long_texts: LongTexts = "reject",
) -> tuple[list[Encoded], list[TokenReject]]:
    """Encodes every row, or says why not; each row is in exactly one of the two lists, in order.

    Args:
        rows: Conversations and raw texts.
        chat_format: The model's way to write them.
        max_length: The most tokens a document may have.
        long_rows: What becomes of longer ones. `reject` leaves them out whole: a conversation that is cut loses the end
            of its answer, and would teach the model to stop in the middle. `cut_prompt` cuts what stands before the
            answer, from the left (see `shortening`).
        long_texts: What becomes of longer raw texts, which have no prompt: they are left out, or `split` into pieces.

    Raises:
        ModelError: There is a conversation, and no chat template to write it with.
    """
    encoded: list[Encoded] = []
    rejects: list[TokenReject] = []
    for row in rows:
        if row.messages:
            chat_format.require_template()
        outcome = _encode(row, chat_format, max_length, long_rows, long_texts)
        if isinstance(outcome, TokenReject):
            rejects.append(outcome)
        else:
            encoded += outcome
    return encoded, rejects


def account_of(encoded: Sequence[Encoded], rejects: Sequence[TokenReject]) -> Account:
    """Counts what `encode_rows` gave."""
    documents = Counter(document.row_id for document in encoded)
    texts = {document.row_id for document in encoded if document.part_of_text}
    return Account(
        rows=len(documents),
        documents=len(encoded),
        split_rows=sum(count > 1 for row_id, count in documents.items() if row_id not in texts),
        plain_specials=len({document.row_id for document in encoded if document.plain_specials}),
        split_boundaries=sum(document.split_boundaries for document in encoded),
        thoughtless=sum(document.thoughtless for document in encoded),
        cut_rows=len({document.row_id for document in encoded if document.cut_tokens}),
        cut_tokens=sum(document.cut_tokens for document in encoded),
        rejected=dict(Counter(reject.reason for reject in rejects).most_common()),
        split_texts=len(texts),
    )


def _encode(
    row: Row, chat_format: ChatFormat, max_length: int, long_rows: LongRows, long_texts: LongTexts
) -> list[Encoded] | TokenReject:
    try:
        documents = chat_format.encode_row(row)
        length = max(len(document.input_ids) for document in documents)
        if length > max_length:
            fitting: list[Encoded] | None = None
            if not row.messages and long_texts == "split":
                fitting = in_pieces(documents[0], chat_format, max_length)
            elif row.messages and long_rows == "cut_prompt":
                fitting = shortened(row, chat_format, max_length)
            if fitting is None:
                return _rejected(row, _too_long(row, max_length, long_rows), length)
            documents = fitting
    except ModelError as error:
        return _rejected(row, error.rule)
    if not all(document.trained_tokens for document in documents):
        return _rejected(row, "has no token to learn from", length)
    return documents


def _too_long(row: Row, max_length: int, long_rows: LongRows) -> str:
    longer = f"is longer than the {max_length} tokens of `training.max_length_tokens`"
    if not row.messages:
        return f"{longer} (`training.long_texts: split` trains it in pieces)"
    return longer if long_rows == "reject" else f"{longer}, even without its prompt"


def _rejected(row: Row, reason: str, tokens: int | None = None) -> TokenReject:
    said = row.text or next((m.content for m in row.messages if m.role == "user"), "")
    return TokenReject(row.id, row.source, row.origin, reason, tokens, preview(said))
