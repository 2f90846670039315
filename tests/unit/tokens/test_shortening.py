"""Conversations that are too long: what of the prompt goes, and that no answer does."""

from __future__ import annotations

import pytest
from chat_templates import chat_format
from tiny_models import tiny_tokenizer

from forgetless.records import Message, Row
from forgetless.tokens import ChatFormat, Encoded, account_of, encode_rows

FORMAT = ChatFormat(tiny_tokenizer())
TOKENIZER = FORMAT.tokenizer


def conversation(*turns: tuple[str, str, bool]) -> Row:
    return Row("id", "src", tuple(Message(role, content, trained) for role, content, trained in turns), origin="f:1")


LONG = conversation(
    ("system", "be kind", False),
    ("user", "the cat sat on the mat", False),
    ("assistant", "one", True),
    ("user", "and the dog ran off", False),
    ("assistant", "two", True),
    ("user", "what is it", False),
    ("assistant", "three", True),
)


def trained_text(encoded: Encoded) -> str:
    return TOKENIZER.decode([label for label in encoded.labels if label != -100])


def prompt_text(encoded: Encoded) -> str:
    return TOKENIZER.decode([i for i, label in zip(encoded.input_ids, encoded.labels, strict=True) if label == -100])


def cut(row: Row, max_length: int, chat: ChatFormat = FORMAT) -> list[Encoded]:
    documents, rejects = encode_rows([row], chat, max_length=max_length, long_rows="cut_prompt")
    assert not rejects, rejects
    assert all(len(document.input_ids) <= max_length for document in documents)
    return documents


def length(row: Row, turns: int, *, without: slice = slice(0, 0)) -> int:
    messages = list(row.messages[:turns])
    del messages[without]
    (document,) = FORMAT.encode_row(Row("id", "src", tuple(messages)))
    return len(document.input_ids)


def test_a_row_that_fits_is_left_alone():
    (document,) = cut(LONG, length(LONG, 7))
    assert document.cut_tokens == 0
    assert trained_text(document) == "one<|end|>two<|end|>three<|end|>"


def test_the_oldest_turns_go_first_and_the_answers_that_fit_stay_together():
    whole, second = cut(LONG, length(LONG, 7) - 1)
    assert (trained_text(whole), whole.cut_tokens) == ("one<|end|>two<|end|>", 0)
    assert trained_text(second) == "three<|end|>"
    assert "cat" not in prompt_text(second)
    assert "be kind" in prompt_text(second)
    assert "dog ran off" in prompt_text(second)
    assert second.cut_tokens == length(LONG, 7) - len(second.input_ids)


def test_no_more_turns_go_than_have_to():
    last = cut(LONG, length(LONG, 7, without=slice(1, 3)))[-1]
    assert "dog ran off" in prompt_text(last)
    last = cut(LONG, length(LONG, 7, without=slice(1, 3)) - 1)[-1]
    assert "dog ran off" not in prompt_text(last)
    assert "what is it" in prompt_text(last)


def test_then_tokens_go_from_the_left_of_the_question():
    row = conversation(("user", "the cat sat on the mat and the dog ran off", False), ("assistant", "three", True))
    short = length(row, 2) - 5
    (document,) = cut(row, short)
    assert len(document.input_ids) in (short, short - 1)
    assert trained_text(document) == "three<|end|>"
    assert "ran off<|end|>" in prompt_text(document)
    assert "the cat" not in prompt_text(document)


def test_an_answer_is_never_cut():
    row = conversation(("system", "be kind", False), ("user", "x", False), ("assistant", "the cat " * 20, True))
    documents, rejects = encode_rows([row], FORMAT, max_length=30, long_rows="cut_prompt")
    assert documents == []
    assert [reject.reason for reject in rejects] == [
        "is longer than the 30 tokens of `training.max_length_tokens`, even without its prompt"
    ]


LONG_TEXT = Row("t", "s", text="the cat sat on the <|end|> mat " * 9)


def test_raw_text_has_no_prompt_to_cut():
    _, (reject,) = encode_rows([LONG_TEXT], FORMAT, max_length=9, long_rows="cut_prompt")
    assert reject.reason.endswith("(`training.long_texts: split` trains it in pieces)")


@pytest.mark.parametrize("max_length", [8, 9, 50, 10_000])
@pytest.mark.parametrize("opening", [[], [1]])
def test_long_raw_text_goes_into_pieces_of_one_length_that_hold_all_of_it(max_length: int, opening: list[int]):
    chat = ChatFormat(tiny_tokenizer())
    chat.text_opening = opening
    whole = chat.encode_plain(LONG_TEXT.text or "").ids
    documents, rejects = encode_rows([LONG_TEXT], chat, max_length=max_length, long_texts="split")
    assert not rejects
    assert opening + [i for d in documents for i in d.input_ids[len(opening) :]] == whole
    assert all(d.input_ids[: len(opening)] == opening and len(d.input_ids) <= max_length for d in documents)
    assert all(d.labels == [-100, *d.input_ids[1:]] and d.trained_tokens > 1 for d in documents)
    account = account_of(documents, rejects)
    assert (account.rows, account.split_rows, account.split_texts) == (1, 0, int(len(documents) > 1))
    assert account.plain_specials == 1


def test_rows_and_tokens_are_counted():
    account = account_of(*encode_rows([LONG], FORMAT, max_length=length(LONG, 7) - 1, long_rows="cut_prompt"))
    assert (account.rows, account.documents, account.cut_rows) == (1, 2, 1)
    assert account.cut_tokens > 0


def test_spelt_special_tokens_stay_plain_when_a_question_is_cut():
    row = conversation(("user", "the cat <|end|> sat on the <|start|> mat", False), ("assistant", "x", True))
    for short in range(length(row, 2) - 12, length(row, 2)):
        (document,) = cut(row, short)
        assert document.input_ids.count(TOKENIZER.eos_token_id) == 2


@pytest.mark.parametrize("kept", [1, 2])
def test_tools_and_the_switch_outlive_the_turns_that_carry_them(kept: int):
    tool = '{"type": "function", "function": {"name": "weather", "description": "", "parameters": {}}}'
    first = Message("user", "the cat sat on the mat " * 9, tools=(tool,), enable_thinking=False)
    middle = (Message("assistant", "one"), Message("user", "two"))
    row = Row("id", "src", (first, *middle, Message("assistant", "three", trained=True)))
    chat = chat_format("qwen3")
    (whole,) = chat.encode_row(row)
    (document,) = cut(row, len(whole.input_ids) - kept, chat)
    text = chat.tokenizer.decode(document.input_ids)
    assert "cat" not in text
    assert "weather" in text
    assert text.endswith("assistant\n<think>\n\n</think>\n\nthree<|im_end|>\n")
