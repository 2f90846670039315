"""Text to token ids, with text that only looks like a special token kept plain.

A chat template joins markup (`<|im_start|>`) and content in one string, and a tokenizer reads special tokens wherever
they are spelt. Content that spells one would then open a turn of its own. So content is *guarded* before it is
rendered: a seam character goes into every special token that it spells. The rendered text is cut at the seams, the
pieces are tokenised apart, and the seams are gone: not one character of the content has changed, and none of it has
become markup. The same cut keeps an answer from merging with the prompt before it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from transformers import PreTrainedTokenizerBase

SEAM = "\ufdd0"
"""A Unicode noncharacter, reserved for use inside a program; it is removed from text that brings its own."""


class Tokens(NamedTuple):
    """Token ids, and for each the span of characters it covers in the seamed text."""

    ids: list[int]
    starts: list[int]
    ends: list[int]


class PieceTokenizer:
    """Tokenises seamed text.

    Args:
        tokenizer: A tokenizer that reports character offsets.
        literals: The special tokens, as they are spelt, that content must not turn into.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, literals: Iterable[str]) -> None:
        self._tokenizer = tokenizer
        longest_first = sorted({text for text in literals if len(text) > 1}, key=len, reverse=True)
        # A lookahead finds overlapping spellings too, which cutting the first one open would otherwise bring out.
        pattern = "|".join(re.escape(text) for text in longest_first)
        self._spelt = re.compile(f"(?=(?:{pattern}))") if longest_first else None

    def guard(self, content: str) -> str:
        """The content with a seam after the first character of every special token that it spells."""
        content = content.replace(SEAM, "")
        if self._spelt is None:
            return content
        cuts = [match.start() + 1 for match in self._spelt.finditer(content)]
        return SEAM.join(content[a:b] for a, b in zip([0, *cuts], [*cuts, len(content)], strict=True))

    def ids(self, seamed: Sequence[str]) -> list[list[int]]:
        """Token ids of each text; one call of the tokenizer for all texts without a seam."""
        plain = [text for text in seamed if SEAM not in text]
        ready = iter(self._call(plain)["input_ids"] if plain else [])
        return [self.tokens(text).ids if SEAM in text else next(ready) for text in seamed]

    def tokens(self, seamed: str, cuts: Sequence[int] = ()) -> Tokens:
        """Token ids and offsets of one text, with no token across a seam or one of the character positions `cuts`."""
        pieces = _pieces(seamed, cuts)
        ids: list[int] = []
        starts: list[int] = []
        ends: list[int] = []
        if pieces:
            encoded = self._call([text for _, text in pieces], offsets=True)
            for (start, _), piece_ids, spans in zip(
                pieces, encoded["input_ids"], encoded["offset_mapping"], strict=True
            ):
                ids += piece_ids
                starts += [start + a for a, _ in spans]
                ends += [start + b for _, b in spans]
        return Tokens(ids, starts, ends)

    def _call(self, texts: list[str], *, offsets: bool = False) -> dict[str, list[list]]:  # type: ignore[type-arg]
        # `verbose=False`: over-long rows are counted and reported by the caller, so no warning is wanted here.
        return self._tokenizer(
            texts,
            add_special_tokens=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            return_offsets_mapping=offsets,
            verbose=False,
        )


def _pieces(seamed: str, cuts: Sequence[int]) -> list[tuple[int, str]]:
    edges = sorted({0, len(seamed), *cuts})
    pieces = []
    for start, end in itertools.pairwise(edges):
        position = start
        for text in seamed[start:end].split(SEAM):
            if text:
                pieces.append((position, text))
            position += len(text) + len(SEAM)
    return pieces
