"""Questions of tasks are kept out of training rows."""

from __future__ import annotations

import random
import time

import pytest

from forgetless.records import Message, Row
from forgetless.sources import Quotes, prompt_key, remove_items


def asks(*questions: str, system: str = "", answer: str = "a") -> tuple[Message, ...]:
    opening = (Message("system", system),) if system else ()
    return (*opening, *(m for q in questions for m in (Message("user", q), Message("assistant", answer, trained=True))))


def row(messages: tuple[Message, ...] = (), text: str | None = None) -> Row:
    return Row(id=repr((messages, text)), source="s", messages=messages, text=text)


@pytest.mark.parametrize("other", ["what is 1+1?", "  What\tis\n1+1? ", "Ｗhat is １+1?"])
def test_case_width_and_spacing_do_not_make_another_question(other: str) -> None:
    assert prompt_key(asks("What is 1+1?")) == prompt_key(asks(other, system="Be brief.", answer="b"))


@pytest.mark.parametrize("other", ["请计算:1+1等于几?", "请 计算： 1+1 等于几？", "请计算: １＋１ 等于\n几?"])
def test_spaces_mean_nothing_in_chinese(other: str) -> None:
    assert prompt_key(asks("请计算：1+1等于几？")) == prompt_key(asks(other))


@pytest.mark.parametrize(
    ("one", "two"), [("15", "5"), ("a b", "ab"), ("1+1?", "1+1"), ("1.5", "15"), ("算1 5", "算15"), ("算a b", "算ab")]
)
def test_other_questions_have_other_keys(one: str, two: str) -> None:
    assert prompt_key(asks(one)) != prompt_key(asks(two))


def test_turns_are_not_run_together() -> None:
    assert prompt_key(asks("a", "b")) != prompt_key(asks("a b"))


def test_rows_that_ask_an_item_are_left_out_and_counted() -> None:
    rows = [row(asks("one")), row(asks("TWO ")), row(asks("three")), row(asks("start", "two"))]
    kept, removed = remove_items(rows, {prompt_key(asks("two")), prompt_key(asks("never asked"))})
    assert (kept, removed) == ((rows[0], rows[2]), 2)


def test_a_conversation_is_matched_as_a_whole_too() -> None:
    rows = [row(asks("a", "b")), row(asks("a", "c"))]
    assert remove_items(rows, [prompt_key(asks("a", "b"))]) == ((rows[1],), 1)


FRANCE = "What is the capital of France?"


@pytest.mark.parametrize(
    ("question", "text"),
    [
        (FRANCE, "Quiz night. WHAT IS THE CAPITAL\nof France -- Paris, of course."),
        (FRANCE, f"before {FRANCE} after"),
        ("法国的首都是哪一座城市？", "小测验：法国的首都，是哪一座城市呢"),
        ("Ｗhat is the capital of Ｆrance", "what is the capital of france"),
    ],
)
def test_a_text_that_holds_a_question_word_for_word_is_found(question: str, text: str) -> None:
    assert Quotes([[question]]).found_in(text)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        (FRANCE, "What is the capital of Italy? It is not the capital of France."),
        (FRANCE, "what is the capital of franceville"),
        ("What is 12 + 13?", "What is 12 + 13? It is 25."),
        ("首都是哪里？", "法国的首都是哪里？"),
        ("", ""),
    ],
)
def test_other_texts_and_short_questions_are_let_be(question: str, text: str) -> None:
    assert not Quotes([[question]]).found_in(text)


def test_the_words_of_a_template_are_no_part_of_a_question() -> None:
    """No text quotes them with it; and where only a word or two are the question's own, all of it is looked for."""
    template = "Read the following and answer in one word: {} Answer:"
    task = [template.format(question) for question in (FRANCE, "Who painted the ceiling of the chapel?", "Why?")]
    quotes = Quotes([task, ["another task altogether, with a longer question"]])
    assert quotes.found_in(f"{FRANCE} Paris.")
    assert not quotes.found_in("Why? Because. Read the following and answer in one word: yes.")
    assert quotes.found_in(template.format("Why?"))


def test_many_texts_are_searched_for_many_questions_in_little_time() -> None:
    draw = random.Random(0)
    words = ["what", "is", "the", *(f"w{n}" for n in range(2000))]

    def prose(n: int) -> str:
        return " ".join(draw.choices(words, k=n))

    questions = [f"what is the {prose(12)}" for _ in range(5000)]
    texts = [prose(200) for _ in range(1000)]
    texts[7] += questions[4321]
    quotes = Quotes([questions])
    started = time.process_time()
    assert [i for i, text in enumerate(texts) if quotes.found_in(f"{text} end")] == [7]
    assert time.process_time() - started < 5.0


def test_texts_that_quote_an_item_are_left_out_and_counted() -> None:
    rows = [row(text=f"{FRANCE} Paris."), row(text="Paris is in France."), row(asks(FRANCE))]
    kept, removed = remove_items(rows, {prompt_key(asks(FRANCE))}, Quotes([[FRANCE]]).found_in)
    assert (kept, removed) == ((rows[1],), 2)


def test_without_a_search_raw_text_stays_and_no_keys_remove_nothing() -> None:
    rows = [row(text="two"), row(asks("two"))]
    assert remove_items(rows, {prompt_key(asks("two"))}) == ((rows[0],), 1)
    assert remove_items(rows, ()) == (tuple(rows), 0)
    assert remove_items([rows[0]], {prompt_key([])}) == ((rows[0],), 0)
