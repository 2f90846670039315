"""How one model writes a conversation: its chat template, read once and asked for ids.

A tokenizer with a chat template goes in. Out come prompts ready for generation, prompts with an answer to be scored,
rows with their loss mask, the tokens that end a turn, and the tokens that open a user's turn.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from typing import NamedTuple

from jinja2.exceptions import TemplateError
from transformers import PreTrainedTokenizerBase

from forgetless.errors import ModelError
from forgetless.records import Message, Row

from .encoded import Encoded
from .masking import encode_conversation, encode_text
from .pieces import SEAM, PieceTokenizer, Tokens

_QUESTION, _ANSWER = "forgetlessasks", "forgetlesssays"
_TODAY = datetime.date(2025, 1, 1)
"""Templates that print the date get this one: a run resumed after midnight must see the tokens it saw before."""
_DATE_CALL = re.compile(r"""strftime_now\(\s*(["'])(.+?)\1\s*\)""")


class _Turns(NamedTuple):
    """The markup that the template puts around one question and one answer."""

    opening: str
    after_question: str
    lead: str
    after_answer: str


class ChatFormat:
    """Turns conversations into token ids the way one model expects them.

    Args:
        tokenizer: A tokenizer that reports character offsets.
        template: A Jinja chat template to use in place of the tokenizer's own. The tokenizer keeps it, so that it is
            saved with the model.

    Attributes:
        tokenizer: The tokenizer.
        template: The chat template, or `None` when there is none; then only raw text can be encoded.
        stop_ids: Tokens that end an answer: the one the template writes after it, and the end-of-sequence token.
        pad_id: The token that fills up a batch. It may be a stop token too, so padding is told by position only.

    Raises:
        ModelError: The tokenizer reports no offsets, or the template does not show what was said.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, *, template: str | None = None) -> None:
        if not tokenizer.is_fast:
            raise ModelError(
                field="model.path",
                value=type(tokenizer).__name__,
                rule="this tokenizer does not tell which characters a token covers, so no loss mask can be made",
                way_out="add a `tokenizer.json` to the model's folder (save it once with `AutoTokenizer`)",
            )
        if template is not None:
            tokenizer.chat_template = template
        self.tokenizer = tokenizer
        self.template: str | None = tokenizer.get_chat_template() if tokenizer.chat_template else None
        self._dateless = _DATE_CALL.sub(lambda call: repr(_TODAY.strftime(call[2])), self.template or "")
        # Some vocabularies list runs of white space among the added tokens; those mark nothing.
        self._added = {i: t for i, t in tokenizer.added_tokens_decoder.items() if t.content.strip()}
        self._turns = self._read_turns() if self.template else None
        self.pieces = PieceTokenizer(tokenizer, self._markup_tokens())
        self.turn_end: int | None = self._first_added(self._turns.after_answer) if self._turns else None
        ends = (self.turn_end, tokenizer.eos_token_id)
        self.stop_ids: tuple[int, ...] = tuple(dict.fromkeys(i for i in ends if i is not None))
        self._text_opening = [i for i in tokenizer("a")["input_ids"][:1] if i == tokenizer.bos_token_id]
        self.pad_id: int = next((i for i in (tokenizer.pad_token_id, *self.stop_ids) if i is not None), 0)

    # Conversations as text

    def render(self, messages: Sequence[Message], *, add_generation_prompt: bool) -> str:
        """The conversation as the model reads it, for people to look at.

        Raises:
            ModelError: There is no chat template, or it refuses this conversation.
        """
        return self.seamed(messages, add_generation_prompt=add_generation_prompt).replace(SEAM, "")

    def seamed(self, messages: Sequence[Message], *, add_generation_prompt: bool) -> str:
        """As `render`, with seams inside the special tokens that the content spells (see `pieces`)."""
        return self._apply([messages], add_generation_prompt=add_generation_prompt)[0]

    # Prompts and answers

    def encode_prompt(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of the conversation, ready for the model to answer."""
        return self.encode_prompts([messages])[0]

    def encode_prompts(self, prompts: Sequence[Sequence[Message]]) -> list[list[int]]:
        """`encode_prompt` for many conversations at once."""
        return self.pieces.ids(self._apply(prompts, add_generation_prompt=True))

    def encode_answer(self, messages: Sequence[Message], answer: str) -> tuple[list[int], list[int]]:
        """Context ids and continuation ids of one answer; see `encode_answers`."""
        return self.encode_answers([(messages, answer)])[0]

    def encode_answers(self, pairs: Sequence[tuple[Sequence[Message], str]]) -> list[tuple[list[int], list[int]]]:
        """Context ids and continuation ids (without the stop token) for each answer to its conversation.

        Both come from one tokenisation of prompt and answer where that leaves the prompt's own tokens as they are; an
        answer that would merge with the prompt is tokenised apart, because at inference the prompt comes first. What
        the template always writes before an answer (an empty block of thoughts) belongs to the context; where that
        is only white space, it belongs to the continuation.
        """
        lead = self._known_turns().lead
        context_lead, answer_lead = (lead, "") if lead.strip() else ("", lead)
        contexts = [text + context_lead for text in self._apply([m for m, _ in pairs], add_generation_prompt=True)]
        answers = [answer_lead + self.pieces.guard(answer) if answer else "" for _, answer in pairs]
        alone = self.pieces.ids(contexts)
        joint = self.pieces.ids([a + b for a, b in zip(contexts, answers, strict=True)])
        split = []
        for context, together, answer in zip(alone, joint, answers, strict=True):
            clean = together[: len(context)] == context
            split.append((context, together[len(context) :] if clean else self.pieces.ids([answer])[0]))
        return split

    # Rows

    def encode_row(self, row: Row) -> Encoded:
        """The row's token ids and loss mask.

        Every assistant turn marked as trained is covered from its first token to the stop token that ends it, and
        nothing after that. Raw text is covered throughout, but for its first token, which nothing predicts.

        Raises:
            ModelError: The conversation cannot be masked with this chat template; `rule` says why.
        """
        if row.messages:
            return encode_conversation(row, self)
        return encode_text(row, self)

    def encode_plain(self, text: str) -> Tokens:
        """Token ids of text in which nothing is markup, after the tokenizer's beginning-of-sequence token if it has
        one and uses it.
        """
        tokens = self.pieces.tokens(self.pieces.guard(text))
        opening = self._text_opening
        zeros = [0] * len(opening)
        return Tokens(opening + tokens.ids, zeros + tokens.starts, zeros + tokens.ends)

    # The user's side

    def user_opening(self) -> list[int]:
        """The ids that stand before a user's words in a fresh conversation."""
        return self.pieces.ids([self._known_turns().opening])[0]

    def user_closing(self) -> list[int]:
        """The ids of which the first ends a user's turn.

        The template's first special token after the user's words where there is one; otherwise whatever it writes
        there first.
        """
        text = self._known_turns().after_question
        special = self._first_added(text)
        return [special] if special is not None else self.pieces.ids([text])[0]

    # Ids to text

    def decode(self, ids: Sequence[int]) -> str:
        """The text of some ids, special tokens left out."""
        return self.decode_many([ids])[0]

    def decode_many(self, answers: Sequence[Sequence[int]]) -> list[str]:
        """`decode` for many answers at once."""
        if not answers:
            return []
        return list(
            self.tokenizer.batch_decode(
                [list(ids) for ids in answers], skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
        )

    # Reading the template

    def require_template(self) -> None:
        """Raises `ModelError` when there is no chat template."""
        if self.template is None:
            raise ModelError(
                field="model.path",
                value=self.tokenizer.name_or_path or type(self.tokenizer).__name__,
                rule="its tokenizer has no chat template, so there is no telling how this model reads a conversation",
                way_out="start from the instruct version of the model, or put a `chat_template.jinja` into its folder",
            )

    def _apply(self, conversations: Sequence[Sequence[Message]], *, add_generation_prompt: bool) -> list[str]:
        self.require_template()
        turns = [
            [{"role": m.role, "content": self.pieces.guard(m.content)} for m in messages] for messages in conversations
        ]
        return self._render(turns, add_generation_prompt=add_generation_prompt) if turns else []

    def _render(self, turns: list[list[dict[str, str]]], *, add_generation_prompt: bool) -> list[str]:
        try:
            return list(
                self.tokenizer.apply_chat_template(
                    turns,
                    tokenize=False,
                    chat_template=self._dateless,
                    add_generation_prompt=add_generation_prompt,
                )
            )
        except TemplateError as error:
            roles = ", ".join(turn["role"] for turn in turns[0])
            raise ModelError(
                field="chat template",
                value=f"a conversation of the roles {roles}" if len(turns) == 1 else f"{len(turns)} conversations",
                rule=f"the model's chat template refuses it: {error}",
                way_out="leave out or merge the turns that it does not know (often `system`), or use another template",
            ) from None

    def _read_turns(self) -> _Turns:
        question = {"role": "user", "content": _QUESTION}
        answer = {"role": "assistant", "content": _ANSWER}
        prompt = self._render([[question]], add_generation_prompt=True)[0]
        opening, found, after_question = prompt.partition(_QUESTION)
        full = self._render([[question, answer]], add_generation_prompt=False)[0]
        before_answer, shown, after_answer = full.rpartition(_ANSWER)
        if not (found and shown):
            raise ModelError(
                field="chat template",
                value=prompt,
                rule="the model's chat template does not show what the user and the assistant said",
                way_out="use the chat template that the model was trained with",
            )
        lead = before_answer[len(prompt) :] if before_answer.startswith(prompt) else ""
        return _Turns(opening, after_question, lead, after_answer)

    def _known_turns(self) -> _Turns:
        self.require_template()
        assert self._turns is not None
        return self._turns

    def _markup_tokens(self) -> list[str]:
        """Tokens that content must not turn into: all special ones, and others that the template marks turns with."""
        markup = self._turns.opening + self._turns.after_answer if self._turns else ""
        return [token.content for token in self._added.values() if token.special or token.content in markup]

    def _first_added(self, text: str) -> int | None:
        return next((i for i in self.pieces.ids([text])[0] if i in self._added), None)
