"""The chat template as token ids: prompts, answers, stop tokens and what must never become markup."""

from __future__ import annotations

import pytest
from chat_templates import chat_format, row_of
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import CHATML, tiny_tokenizer

from forgetless.errors import ModelError
from forgetless.records import Message, Row, ToolCall
from forgetless.thoughts import answer_of, split_thoughts
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
    assert [p.ids for p in FORMAT.prompts(prompts)] == [FORMAT.encode_prompt(p) for p in prompts]
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


def test_without_a_template_a_question_is_plain_text():
    chat = ChatFormat(tiny_tokenizer(None))
    asked = (Message("system", "be kind"), *user("what is <|end|>?"))
    assert TOKENIZER.decode(chat.encode_prompt(asked)) == "be kind\n\nwhat is <|end|>?"
    assert END not in chat.encode_prompt(asked)
    for answer in ("the cat", " the cat"):
        context, continuation = chat.encode_answer(asked, answer)
        assert context == chat.encode_prompt(asked)
        assert TOKENIZER.decode(continuation) == " the cat"
    assert chat.as_message("a") == Message("assistant", "a", trained=True)
    with pytest.raises(ModelError, match="no chat template"):
        chat.user_opening()


def test_raw_text_goes_without_the_template_that_there_is():
    asked = (Message("user", "what is <|end|>?", raw_text=True),)
    assert TOKENIZER.decode(FORMAT.encode_prompt(asked)) == "what is <|end|>?"
    assert END not in FORMAT.encode_prompt(asked)
    assert FORMAT.encode_answer(asked, "the cat") == ChatFormat(tiny_tokenizer(None)).encode_answer(asked, "the cat")
    both = FORMAT.encode_answers([(asked, "a"), (user("hi"), "a")])
    assert both == [FORMAT.encode_answer(asked, "a"), FORMAT.encode_answer(user("hi"), "a")]


@pytest.mark.parametrize(
    ("text", "continuation", "joined"),
    [("One and one is", "two", " two"), ("一加一等于", "二", "二"), ("A:", "二", "二"), ("说：", "a", "a")],
)
def test_a_continuation_stands_after_a_space_but_not_in_chinese(text: str, continuation: str, joined: str):
    asked = (Message("user", text, raw_text=True),)
    assert TOKENIZER.decode(FORMAT.encode_answer(asked, continuation)[1]) == joined


def test_raw_text_is_begun_by_a_token_where_there_is_no_text():
    chat = ChatFormat(tiny_tokenizer(None))
    assert chat.text_start("the cat") == chat.encode_plain("the cat").ids
    assert chat.text_start("") == [END]


def test_a_beginning_is_half_of_a_text_and_no_more_than_asked_for():
    chat, text = ChatFormat(tiny_tokenizer(None)), "the cat sat on the <|end|> mat and the dog"
    tokens = len(chat.encode_plain(text).ids)
    begun = chat.beginning(text, most_tokens=1000)
    assert text.startswith(begun)
    assert len(chat.encode_plain(begun).ids) == tokens // 2
    assert chat.encode_plain(chat.beginning(text, most_tokens=2)).ids == chat.encode_plain(text).ids[:2]
    assert chat.beginning("a", most_tokens=5) == ""


def test_what_the_template_refuses_is_said_in_words():
    strict = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system here') }}{% endif %}" + CHATML
    chat = ChatFormat(tiny_tokenizer(strict))
    with pytest.raises(ModelError, match="no system here") as caught:
        chat.encode_prompt((Message("system", "s"), *user("x")))
    assert caught.value.__suppress_context__


def test_a_broken_template_is_told_by_its_line():
    with pytest.raises(ModelError, match="no valid Jinja") as caught:
        ChatFormat(tiny_tokenizer("{% for m in messages %}\n{{ m.content\n{% endfor %}"))
    assert caught.value.value == "line 3"


def test_a_template_that_hides_what_was_said_is_refused():
    with pytest.raises(ModelError, match="does not show"):
        ChatFormat(tiny_tokenizer("{{ '<|start|>' }}"))


def test_padding_may_be_the_stop_token():
    chat = ChatFormat(tiny_tokenizer(pad_is_eos=True))
    assert chat.pad_id == END
    assert chat.stop_ids == (END,)


def test_an_argument_that_the_template_does_not_read_is_refused():
    with pytest.raises(ModelError, match="does not read this name") as caught:
        ChatFormat(tiny_tokenizer(), arguments={"enable_thinking": False})
    assert caught.value.field == "model.chat_template_kwargs.enable_thinking"
    with pytest.raises(ModelError, match="knows no such switch"):
        FORMAT.encode_prompt((Message("user", "x", enable_thinking=True),))


def test_an_argument_reaches_the_template():
    chat = ChatFormat(tiny_tokenizer("{{ greeting }}" + CHATML), arguments={"greeting": "hello"})
    assert chat.render(user("hi"), add_generation_prompt=False).startswith("hello<|start|>")


def test_what_a_conversation_asks_of_the_switch_is_its_last_word():
    chat = chat_format("qwen3", enable_thinking=False)
    closed = "<think>\n\n</think>\n\n"

    def prompt(*modes: bool | None) -> str:
        turns = [Message("user", "x", enable_thinking=mode) for mode in modes]
        return chat.render(turns, add_generation_prompt=True)

    assert prompt(None).endswith(closed)
    assert not prompt(True).endswith(closed)
    assert prompt(True, False).endswith(closed)


@pytest.mark.parametrize(
    "name", ["qwen3", "qwen3_5_think", "gptoss", "muse_glimmer", "gemma4_v5", "glm4moe", "lfm2_2_5"]
)
def test_thoughts_come_back_in_one_form_whatever_their_marks(name: str):
    chat = chat_format(name)
    row = row_of("thinking on")
    if not chat.switches_thinking:
        row = Row("r", "s", (Message("user", "2 + 2?"), row.messages[-1]))
    (document,) = chat.encode_row(row)
    (asked,) = chat.prompts([row.messages[:1]])
    written = [label for label in document.labels if label != -100]
    (answer,) = chat.decode_answers([asked], [written])
    assert split_thoughts(answer) == ("Two and two.", "Four.", True)
    assert chat.as_message(answer) == Message("assistant", "Four.", trained=True, reasoning="Two and two.")
    (cut,) = chat.decode_answers([asked], [written[: len(written) // 2]])
    assert answer_of(cut) == ""
    assert not split_thoughts(cut).finished


@pytest.mark.parametrize("name", ["qwen3", "gptoss", "muse_glimmer", "gemma4_v5", "glm4moe", "lfm2_2_5"])
def test_an_answer_without_thoughts_comes_back_as_it_is(name: str):
    chat = chat_format(name)
    (document,) = chat.encode_row(row_of("single"))
    written = [label for label in document.labels if label != -100]
    (answer,) = chat.decode_answers(chat.prompts([row_of("single").messages[:1]]), [written])
    assert answer == "Hello there."


@pytest.mark.parametrize(
    "name", ["qwen3", "qwen3_5_think", "deepseek_r1_distill", "nemotron_3_nano", "gptoss", "cohere2"]
)
def test_a_given_answer_is_scored_after_what_the_template_writes_before_one(name: str):
    chat = chat_format(name)
    context, continuation = chat.encode_answer(user("hi"), "Four.")
    assert chat.tokenizer.decode(continuation) == "Four."
    before = {
        "qwen3": "assistant\n<think>\n\n</think>\n\n",
        "qwen3_5_think": "assistant\n<think>\n\n</think>\n\n",
        "deepseek_r1_distill": "<｜Assistant｜><think>\n\n</think>\n\n",
        "nemotron_3_nano": "assistant\n<think></think>",
        "gptoss": "<|start|>assistant<|channel|>final<|message|>",
        "cohere2": "<|CHATBOT_TOKEN|><|START_RESPONSE|>",
    }
    assert chat.tokenizer.decode(context).endswith(before[name])


def test_an_answer_to_a_tools_result_is_scored_after_the_result():
    chat = chat_format("deepseekv3")
    context, continuation = chat.encode_answer(row_of("calls").messages[:3], "It is sunny.")
    assert chat.tokenizer.decode(context).endswith("sunny<｜tool▁output▁end｜><｜tool▁outputs▁end｜>")
    assert chat.tokenizer.decode(continuation) == "It is sunny."


@pytest.mark.parametrize("spelt", ["<｜Assistant｜>", "<｜User｜>", "<｜end▁of▁sentence｜>", "<think>"])
def test_markup_that_is_no_special_token_stays_plain_in_content_too(spelt: str):
    chat = chat_format("deepseek_r1_distill")
    ids = chat.encode_prompt(user(f"a {spelt} b"))
    assert ids.count(chat.tokenizer.convert_tokens_to_ids(spelt)) == chat.encode_prompt(user("a")).count(
        chat.tokenizer.convert_tokens_to_ids(spelt)
    )
    assert f"a {spelt} b" in chat.tokenizer.decode(ids)


def test_thoughts_inside_the_content_are_those_of_the_turn():
    inside = Message("assistant", "<think>Two and two.</think>Four.", trained=True)
    apart = Message("assistant", "Four.", trained=True, reasoning="Two and two.")
    for name in ("qwen3", "qwen3_5_think", "gptoss", "deepseek_r1_distill", "deepseek_r1_distill_training"):
        chat = chat_format(name)
        rows = [Row("r", "s", (Message("user", "2 + 2?"), answer)) for answer in (inside, apart)]
        one, two = (chat.encode_row(row) for row in rows)
        assert one == two, name
        assert one[0].thoughtless == 0


def test_what_a_template_would_leave_out_of_a_trained_turn_is_refused():
    calls = (ToolCall("weather", "{}"), ToolCall("weather", '{"city": "Rome"}'))

    def refusal(name: str, **said: object) -> str:
        with pytest.raises(ModelError) as caught:
            chat_format(name).encode_row(
                Row(
                    "r",
                    "s",
                    (Message("user", "x"), Message("assistant", said.pop("content", ""), trained=True, **said)),
                )
            )
        return caught.value.rule

    assert "a part of what this turn says" in refusal("llama3_1", content="let me see", tool_calls=calls[:1])
    assert "leaves out a tool call" in refusal("gptoss", tool_calls=calls)
    assert "single tool-calls" in refusal("llama3_1", tool_calls=calls)
    assert "does not write the thoughts" in refusal("llama3", content="x", reasoning="hm")
