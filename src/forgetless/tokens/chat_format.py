"""How one model writes a conversation: its chat template, read once and asked for ids.

A tokenizer goes in, with a chat template or without. Out come prompts ready for generation, prompts with an answer to
be scored, rows with their loss mask, the tokens that end a turn, and answers read back from what a model wrote.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from transformers import PreTrainedTokenizerBase

from forgetless.errors import ModelError
from forgetless.records import Message, Row
from forgetless.thoughts import OPEN, split_thoughts

from .answers import ThoughtDecoder, decode_many, spelt_in
from .encoded import Encoded
from .given_answers import NO_THOUGHTS, GivenAnswers
from .masking import encode_conversation, encode_text
from .pieces import SEAM, PieceTokenizer, Tokens
from .reading import Reading, Stop, read_template
from .rendering import Renderer, as_turns, thinking_mode, tool_definitions


class Prompt(NamedTuple):
    """Token ids that a model is to continue, and whether they end inside a thought."""

    ids: list[int]
    opens_thought: bool = False


class ChatFormat:
    """Turns conversations into token ids the way one model expects them.

    Args:
        tokenizer: A tokenizer that reports character offsets.
        template: A Jinja chat template to use in place of the tokenizer's own. The tokenizer keeps it, so that it is
            saved with the model.
        arguments: Names that the template reads, such as `enable_thinking`, and their values.

    Attributes:
        tokenizer: The tokenizer.
        template: The chat template, or `None` when there is none. Then rows can only be raw text, and what is asked of
            the model is the plain text of the messages.
        arguments: As given.
        reading: What the template does; `None` without one.
        stop_ids: Tokens that end an answer: those the template writes after it, and the end-of-sequence token.
        text_opening: The beginning-of-sequence token where the tokenizer puts one before raw text, else nothing.
        pad_id: The token that fills up a batch. It may be a stop token too, so padding is told by position only.

    Raises:
        ModelError: The tokenizer reports no offsets, the template does not show what was said, or it does not read one
            of the arguments.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        *,
        template: str | None = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
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
        self.arguments = dict(arguments or {})
        # Some vocabularies list runs of white space among the added tokens; those mark nothing.
        self._added = {t.content: i for i, t in tokenizer.added_tokens_decoder.items() if t.content.strip()}
        self._special = {t.content for t in tokenizer.added_tokens_decoder.values() if t.special and t.content.strip()}
        if self.arguments and self.template is None:
            self.require_template()
        self._render = Renderer(tokenizer, self.template, self.arguments) if self.template else None
        self.reading: Reading | None = None
        if self._render is not None:
            self.reading = read_template(
                self._render, lambda text: spelt_in(text, self._special), lambda text: spelt_in(text, self._added)
            )
        self.pieces = PieceTokenizer(tokenizer, self._markup_tokens())
        ends = (*(self._added.get(stop.token) for stop in self._stops()), tokenizer.eos_token_id)
        self.stop_ids: tuple[int, ...] = tuple(dict.fromkeys(i for i in ends if i is not None))
        self.text_opening = [i for i in tokenizer("a")["input_ids"][:1] if i == tokenizer.bos_token_id]
        self._given = GivenAnswers(self)
        marks = self.reading.marks if self.reading else None
        self._thoughts = ThoughtDecoder(tokenizer, marks, self._special) if marks else None
        self.pad_id: int = next((i for i in (tokenizer.pad_token_id, *self.stop_ids) if i is not None), 0)

    @property
    def switches_thinking(self) -> bool:
        """Whether the template's `enable_thinking` makes a difference."""
        return self.reading is not None and self.reading.ways.switch

    # Conversations as text

    def render(self, messages: Sequence[Message], *, add_generation_prompt: bool) -> str:
        """The conversation as the model reads it, for people to look at.

        Raises:
            ModelError: The chat template refuses this conversation.
        """
        return self.seamed(messages, add_generation_prompt=add_generation_prompt).replace(SEAM, "")

    def writes_plain(self, messages: Sequence[Message]) -> bool:
        """Whether a conversation is plain text for this model: it is meant so, or there is no chat template."""
        return self.reading is None or any(message.raw_text for message in messages)

    def seamed(self, messages: Sequence[Message], *, add_generation_prompt: bool) -> str:
        """As `render`, with seams inside the special tokens that the content spells (see `pieces`)."""
        if self._render is None or self.reading is None or self.writes_plain(messages):
            return "\n\n".join(self.pieces.guard(message.content) for message in messages)
        mode = thinking_mode(messages, switches=self.switches_thinking)
        if mode is not None and not self.switches_thinking:
            raise ModelError(
                field="enable_thinking",
                value=mode,
                rule="the model's chat template knows no such switch, so it would change nothing",
                way_out="remove it from the data or the task",
            )
        return self._render(
            as_turns(messages, self.reading.ways, self.pieces.guard),
            tools=tool_definitions(messages, self.pieces.guard),
            add_generation_prompt=add_generation_prompt,
            enable_thinking=mode,
        )

    # Prompts and answers

    def prompts(self, conversations: Sequence[Sequence[Message]]) -> list[Prompt]:
        """Each conversation ready for the model to answer; raw text, and all of it without a template, as it stands.

        Raises:
            ModelError: The chat template refuses a conversation.
        """
        texts = [self.seamed(messages, add_generation_prompt=True) for messages in conversations]
        ids = self.pieces.ids(texts)
        return [
            Prompt(self.text_opening + own) if self.writes_plain(asked) else Prompt(own, self.opens_thought(text))
            for asked, own, text in zip(conversations, ids, texts, strict=True)
        ]

    def encode_prompt(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of the conversation, ready for the model to answer."""
        return self.prompts([messages])[0].ids

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
        return self._given.encode(pairs)

    # Thoughts

    def opens_thought(self, prompt: str) -> bool:
        """Whether a rendered prompt ends with the mark that opens a thought."""
        marks = self.reading.marks if self.reading else None
        return marks is not None and bool(marks.opening) and prompt.rstrip().endswith(marks.opening)

    def composed(self, prompt: str, whole: str, thoughts: str) -> str | None:
        """The prompt continued by the answer that `whole` ends with, for templates that open a thought in the prompt
        and write none in conversations (DeepSeek's); `None` where this template is not such a one.
        """
        before, opened, after = prompt.rpartition(OPEN)
        if not opened or after.strip() or not whole.startswith(before):
            return None
        rest = whole[len(before) :].lstrip("\n")
        return None if rest.startswith(OPEN) else f"{prompt}{thoughts}{NO_THOUGHTS}{rest}"

    def as_message(self, answer: str) -> Message:
        """What a model wrote as a trained turn, with its thoughts apart where the template knows thoughts."""
        if self.reading is None or self.reading.marks is None:
            return Message("assistant", answer, trained=True)
        said = split_thoughts(answer)
        return Message("assistant", said.answer, trained=True, reasoning=said.thoughts)

    # Rows

    def encode_row(self, row: Row) -> list[Encoded]:
        """The row's token ids and loss mask.

        Every assistant turn marked as trained is covered from its first token to the stop token that ends it, and
        nothing after that. Raw text is covered throughout, but for its first token, which nothing predicts.

        Returns:
            One document; more where the template rewrites earlier turns once a conversation goes on (many drop their
            thoughts): then each trained turn stands in a document that begins as the model meets it at inference.

        Raises:
            ModelError: The conversation cannot be masked with this chat template; `rule` says why.
        """
        if not row.messages:
            return [encode_text(row, self)]
        self.require_template()
        return encode_conversation(row, self)

    def encode_plain(self, text: str) -> Tokens:
        """Token ids of text in which nothing is markup, after the tokenizer's beginning-of-sequence token if it has
        one and uses it.
        """
        tokens = self.pieces.tokens(self.pieces.guard(text))
        opening = self.text_opening
        zeros = [0] * len(opening)
        return Tokens(opening + tokens.ids, zeros + tokens.starts, zeros + tokens.ends)

    def text_start(self, text: str) -> list[int]:
        """Ids of raw text that a model is to continue; of no text, the token that a document begins with.

        Raises:
            ModelError: There is no text and no such token.
        """
        ids = self.encode_plain(text).ids
        boundary = [i for i in (self.tokenizer.bos_token_id, self.tokenizer.eos_token_id) if i is not None]
        if not ids and not boundary:
            raise ModelError(
                field="replay.prompts",
                value="self",
                rule="the tokenizer has no token that begins or ends a text, so the model cannot begin one",
                way_out="give files with texts under `replay.prompts`",
            )
        return ids or boundary[:1]

    def beginning(self, text: str, *, most_tokens: int) -> str:
        """The first half of a raw text, and at most so many tokens of it; empty where that is not one token."""
        guarded = self.pieces.guard(text)
        ends = self.pieces.tokens(guarded).ends
        length = min(len(ends) // 2, most_tokens)
        return guarded[: ends[length - 1]].replace(SEAM, "") if length else ""

    # The user's side

    def user_opening(self) -> list[int]:
        """The ids that stand before a user's words in a fresh conversation."""
        return self.pieces.ids([self._known().opening])[0]

    def begun_turns(self, beginnings: Sequence[str]) -> list[list[int]]:
        """The ids of fresh conversations whose user has begun to speak; after an empty beginning, of the opening."""
        return self.pieces.ids([self._known().opening + self.pieces.guard(text) for text in beginnings])

    def user_closing(self) -> list[int]:
        """The ids of which the first ends a user's turn.

        The template's first special token after the user's words where there is one; otherwise whatever it writes
        there first.
        """
        text = self._known().after_question
        ids = self.pieces.ids([text])[0]
        added = set(self._added.values())
        return [i for i in ids if i in added][:1] or ids

    # Ids to text

    def decode(self, ids: Sequence[int]) -> str:
        """The text of some ids, special tokens left out."""
        return self.decode_many([ids])[0]

    def decode_many(self, texts: Sequence[Sequence[int]]) -> list[str]:
        """`decode` for many texts at once."""
        return decode_many(self.tokenizer, texts)

    def decode_answers(self, prompts: Sequence[Prompt], answers: Sequence[Sequence[int]]) -> list[str]:
        """What a model wrote after its prompts, with thoughts marked as `forgetless.thoughts` says."""
        if self._thoughts is None:
            return self.decode_many(answers)
        return [self._thoughts.decode(ids, opened=p.opens_thought) for p, ids in zip(prompts, answers, strict=True)]

    @property
    def marks_thoughts(self) -> bool:
        """Whether the model's template knows thoughts."""
        return self._thoughts is not None

    @property
    def thoughts_need_ids(self) -> bool:
        """Whether special tokens mark thoughts, so that `read_answer` cannot tell them."""
        return self._thoughts is not None and self._thoughts.needs_ids

    def read_answer(self, prompt: Prompt, text: str) -> str:
        """As `decode_answers`, for an answer of which only the text is known, special tokens left out."""
        return text if self._thoughts is None else self._thoughts.read(text, opened=prompt.opens_thought)

    def decode_continuations(self, starts: Sequence[list[int]], written: Sequence[list[int]]) -> list[str]:
        """What a model wrote after raw texts.

        Decoded with what stands before it, because some tokenizers drop a space at the beginning of a text.
        """
        begun = self.decode_many(starts)
        whole = self.decode_many([start + ids for start, ids in zip(starts, written, strict=True)])
        return [text.removeprefix(start) for text, start in zip(whole, begun, strict=True)]

    # What the template says about tokens

    def require_template(self) -> None:
        """Raises `ModelError` when there is no chat template."""
        if self.template is None:
            raise ModelError(
                field="model.template",
                value=self.tokenizer.name_or_path or type(self.tokenizer).__name__,
                rule="the model has no chat template, so there is no telling how it reads a conversation",
                way_out="set `model.template` to a Jinja file or a shipped name such as `qwen3`, or train on raw text "
                "alone",
            )

    def stop_of(self, answer: Message) -> Stop | None:
        """What ends a turn like this one."""
        reading = self._known()
        return reading.call_stop if answer.tool_calls else reading.stop

    def _known(self) -> Reading:
        self.require_template()
        assert self.reading is not None
        return self.reading

    def _stops(self) -> list[Stop]:
        return [stop for stop in (self.reading.stop, self.reading.call_stop) if stop] if self.reading else []

    def _markup_tokens(self) -> list[str]:
        """Tokens that content must not turn into: all special ones, and others that the template marks turns with."""
        stops = [stop.token for stop in self._stops()]
        around = self.reading.opening + self.reading.after_question if self.reading else ""
        return [token for token in self._added if token in self._special or token in around or token in stops]
