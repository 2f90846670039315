"""What a row becomes: token ids with a loss mask, or a reason why it has none."""

from __future__ import annotations

from dataclasses import dataclass

IGNORED = -100
"""The label of a position that carries no loss (the convention of `torch.nn.functional.cross_entropy`)."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """One document ready for training.

    `labels[i]` is `input_ids[i]` where the loss covers that token and -100 elsewhere; the shift by one is left to the
    loss.

    Attributes:
        plain_specials: Places where the row's own text spells a special token and was read as plain text.
        split_boundaries: Answers whose first characters would have merged with the prompt's last ones.
        thoughtless: Trained answers without thoughts, though the template has a place for them and was not told to
            leave it out.
        cut_tokens: Tokens that were taken off the beginning of the prompt.
        part_of_text: Whether it is one of several pieces of a raw text.
    """

    input_ids: list[int]
    labels: list[int]
    row_id: str
    source: str
    plain_specials: int = 0
    split_boundaries: int = 0
    thoughtless: int = 0
    cut_tokens: int = 0
    part_of_text: bool = False

    @property
    def trained_tokens(self) -> int:
        """How many tokens the loss covers."""
        return sum(label != IGNORED for label in self.labels)


@dataclass(frozen=True, slots=True)
class TokenReject:
    """A row that was left out, where it came from, why, and how it begins. `tokens` is its length if it has one."""

    row_id: str
    source: str
    origin: str
    reason: str
    tokens: int | None = None
    preview: str = ""
