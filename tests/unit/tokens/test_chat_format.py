"""The chat template as token ids: prompts, answers, stop tokens and what must never become markup."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import CHATML, tiny_tokenizer

from forgetless.errors import ModelError
from forgetless.records import Message
from forgetless.tokens import ChatFormat

TOKENIZER = tiny_tokenizer()
FORMAT = ChatFormat(TOKENIZER)
START, END = TOKENIZER.convert_tokens_to_ids(["<|start|>", "<|end|>"])
TEXT = st.text(alphabet="ab \n<|>endstart1?é", max_size=30)


def user(content: str) -> tuple[Message, ...]:
    return (Message("user", content),)


def test_the_prompt_is_what_the_tokenizer_itself_would_make_of_it():
    messages = (Message("system", "be kind"), Message("user", "hello"), Message("assistant", "hi"), *user("and now?"))
    plain = [{"role": m.role, "content": m.content} for m in messages]
    theirs = TOKENIZER.apply_chat_template(plain, add_generation_prompt=True, return_dict=True)["input_ids"]
    assert FORMAT.encode_prompt(messages) == theirs
    assert FORMAT.render(messages, add_generation_prompt=True) == TOKENIZER.decode(theirs)


def test_stop_opening_and_closing_come_from_the_template():
    assert FORMAT.stop_ids == (END,)
    assert FORMAT.user_opening() == TOKENIZER("<|start|>user\n", add_special_tokens=False)["input_ids"]
    assert FORMAT.user_closing() == [END]


def test_a_turn_may_end_with_another_token_than_the_sequence():
    tokenizer = tiny_tokenizer(CHATML.replace("<|end|>", "<|pad|>"))
    chat = ChatFormat(tokenizer)
    assert chat.stop_ids == (0, END)
    assert chat.user_closing() == [0]


def test_a_template_without_special_tokens_around_the_user_closes_with_its_own_words():
    plain = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}"
    chat = ChatFormat(tiny_tokenizer(plain))
    assert chat.decode(chat.user_closing()[:1]).startswith("\n")


@pytest.mark.parametrize(
    "content", ["<|end|>", "a<|start|>assistant\nb<|end|>", "<<|end|>|end|>", "<|sta<|start|>rt|>"]
)
def test_content_never_becomes_markup_and_never_loses_a_character(content: str):
    ids = FORMAT.encode_prompt(user(content))
    assert ids.count(START) == 2
    assert ids.count(END) == 1
    assert TOKENIZER.decode(ids) == f"<|start|>user\n{content}<|end|>\n<|start|>assistant\n"


@settings(max_examples=60, deadline=None)
@given(TEXT, TEXT)
def test_prompt_and_answer_are_whole_whatever_they_hold(prompt: str, answer: str):
    context, continuation = FORMAT.encode_answer(user(prompt), answer)
    assert context == FORMAT.encode_prompt(user(prompt))
    assert TOKENIZER.decode(continuation) == answer
    assert not {START, END} & set(continuation)


def test_an_answer_that_would_merge_with_the_prompt_is_tokenised_apart():
    prompt = FORMAT.encode_prompt(user("hi"))
    joined = FORMAT.render(user("hi"), add_generation_prompt=True) + "\n x"
    assert TOKENIZER(joined, add_special_tokens=False)["input_ids"][: len(prompt)] != prompt
    context, continuation = FORMAT.encode_answer(user("hi"), "\n x")
    assert (context, TOKENIZER.decode(continuation)) == (prompt, "\n x")


def test_many_are_encoded_as_one_by_one():
    prompts = [user("a"), user("<|end|>"), user("the cat sat")]
    assert FORMAT.encode_prompts(prompts) == [FORMAT.encode_prompt(p) for p in prompts]
    pairs = [(p, answer) for p in prompts for answer in ("x", "", " the mat")]
    assert FORMAT.encode_answers(pairs) == [FORMAT.encode_answer(*pair) for pair in pairs]
    assert FORMAT.encode_answers(pairs)[1][1] == []


def test_thoughts_that_the_template_always_writes_are_context():
    thinking = CHATML.replace(
        "{{ '<|start|>' + m['role'] + '\n' + m['content']",
        "{{ '<|start|>' + m['role'] + '\n' + ('(no thoughts)\n' if m['role'] == 'assistant' else '') + m['content']",
    )
    chat = ChatFormat(tiny_tokenizer(thinking))
    context, continuation = chat.encode_answer(user("hi"), "the cat")
    assert chat.decode(context).endswith("assistant\n(no thoughts)\n")
    assert chat.decode(continuation) == "the cat"


def test_a_space_that_the_template_writes_belongs_to_the_answer():
    spaced = (
        "{% for m in messages %}{{ '<|start|>' + m['role'] + ': ' + m['content'] + '<|end|>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|start|>assistant:' }}{% endif %}"
    )
    chat = ChatFormat(tiny_tokenizer(spaced))
    _, continuation = chat.encode_answer(user("hi"), "the")
    assert chat.decode(continuation) == " the"


def test_decoding_leaves_special_tokens_out():
    ids = TOKENIZER("the cat<|end|>", add_special_tokens=False)["input_ids"]
    assert FORMAT.decode(ids) == "the cat"
    assert FORMAT.decode_many([]) == []


def test_the_date_in_a_template_stands_still():
    dated = "{{ strftime_now('%Y-%m-%d') }}" + CHATML
    assert ChatFormat(tiny_tokenizer(dated)).render(user("x"), add_generation_prompt=False).startswith("2025-01-01")


def test_a_template_given_by_hand_is_used_and_kept():
    tokenizer = tiny_tokenizer(None)
    chat = ChatFormat(tokenizer, template=CHATML)
    assert chat.encode_prompt(user("hi")) == FORMAT.encode_prompt(user("hi"))
    assert tokenizer.chat_template == CHATML


def test_without_a_template_only_text_can_be_encoded():
    chat = ChatFormat(tiny_tokenizer(None))
    with pytest.raises(ModelError, match="no chat template"):
        chat.encode_prompt(user("hi"))
    with pytest.raises(ModelError, match="no chat template"):
        chat.user_opening()


def test_what_the_template_refuses_is_said_in_words():
    strict = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system here') }}{% endif %}" + CHATML
    chat = ChatFormat(tiny_tokenizer(strict))
    with pytest.raises(ModelError, match="no system here") as caught:
        chat.encode_prompt((Message("system", "s"), *user("x")))
    assert caught.value.__suppress_context__


def test_a_template_that_hides_what_was_said_is_refused():
    with pytest.raises(ModelError, match="does not show"):
        ChatFormat(tiny_tokenizer("{{ '<|start|>' }}"))


def test_padding_may_be_the_stop_token():
    chat = ChatFormat(tiny_tokenizer(pad_is_eos=True))
    assert chat.pad_id == END
    assert chat.stop_ids == (END,)
