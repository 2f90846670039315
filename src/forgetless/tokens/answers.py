"""Token ids that a model wrote in, the text of its answer out, with its thoughts marked as for all models."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from transformers import PreTrainedTokenizerBase

from forgetless.thoughts import CLOSE, OPEN

from .reading import ThoughtMarks


class ThoughtDecoder:
    """Decodes answers of a model that thinks.

    Special tokens are left out of the text, as always; but those among the marks of thoughts are read first, for they
    alone tell what was thought and what was said.

    Args:
        tokenizer: The model's tokenizer.
        marks: What the model writes around its thoughts.
        special: All special tokens of the vocabulary.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, marks: ThoughtMarks, special: Iterable[str]) -> None:
        self._tokenizer = tokenizer
        self._marks = marks
        spelt = dict.fromkeys(spelt_in("".join(marks), special))
        self._spelt = {tokenizer.convert_tokens_to_ids(token): token for token in spelt}

    @property
    def needs_ids(self) -> bool:
        """Whether special tokens mark thoughts, so that text without them does not tell what was thought."""
        return bool(self._spelt)

    def decode(self, ids: Sequence[int], *, opened: bool) -> str:
        """The answer as `forgetless.thoughts` writes it; `opened` says that the prompt has begun a thought."""
        return self.read(self._with_marks(ids), opened=opened)

    def read(self, text: str, *, opened: bool) -> str:
        """As `decode`, from text in which the model's own marks stand."""
        marks = self._marks
        begun = text.lstrip()
        if opened or begun.startswith(marks.opening):
            within = begun if opened else begun.removeprefix(marks.opening)
            thoughts, closed, answer = within.partition(marks.closing)
            thoughts, answer = self._without_marks(thoughts), self._without_marks(answer)
            if not closed:
                return OPEN + thoughts
            return f"{OPEN}{thoughts}{CLOSE}{answer}" if thoughts.strip() else answer.lstrip("\n")
        return self._without_marks(begun.removeprefix(marks.without) if marks.without else text)

    def _with_marks(self, ids: Sequence[int]) -> str:
        texts: list[str] = []
        run: list[int] = []
        for token in ids:
            if token in self._spelt:
                texts += [*decode_many(self._tokenizer, [run]), self._spelt[token]]
                run = []
            else:
                run.append(token)
        return "".join([*texts, *decode_many(self._tokenizer, [run])])

    def _without_marks(self, text: str) -> str:
        for token in self._spelt.values():
            text = text.replace(token, "")
        return text


def decode_many(tokenizer: PreTrainedTokenizerBase, texts: Sequence[Sequence[int]]) -> list[str]:
    """The text of each list of ids, special tokens left out."""
    if not texts:
        return []
    return list(
        tokenizer.batch_decode(
            [list(ids) for ids in texts], skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
    )


def spelt_in(text: str, tokens: Iterable[str]) -> list[str]:
    """Those of some tokens that a text spells, in their order; of two that begin alike the longer one."""
    longest_first = sorted(tokens, key=len, reverse=True)
    return re.findall("|".join(map(re.escape, longest_first)), text) if longest_first else []
