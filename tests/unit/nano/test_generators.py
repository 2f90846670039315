"""nano's generators: the same seed gives the same items, and an independent check agrees with every answer."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from forgetless import nano
from forgetless.errors import DataError
from forgetless.nano.words import PLURALS, VERBS
from forgetless.nano.world import LANDS
from forgetless.records import Item

N = 400


def questions(name: str, *templates: str) -> list[tuple[str, str]]:
    items = nano.ability_items(name, n=N, seed=11)
    return [(i.messages[0].content, i.target) for i in items if not templates or i.subject in templates]


@pytest.mark.parametrize("name", nano.ABILITIES)
def test_an_ability_is_seeded_and_asks_distinct_questions(name: str) -> None:
    items = nano.ability_items(name, n=N, seed=1)
    assert items == nano.ability_items(name, n=N, seed=1)
    assert items != nano.ability_items(name, n=N, seed=2)
    assert len({item.id for item in items}) == N
    assert len({item.messages[0].content for item in items}) == N
    assert all(item.group == item.id and item.subject and item.target for item in items)


@pytest.mark.parametrize("name", nano.ABILITIES)
def test_two_thousand_questions_are_distinct(name: str) -> None:
    assert len({item.messages for item in nano.ability_items(name, n=2000, seed=3)}) == 2000


def test_an_id_depends_on_the_content_and_not_on_the_draw() -> None:
    by_question: dict[str, Item] = {}
    for seed in (1, 2, 3):
        for item in nano.ability_items("arithmetic", n=N, seed=seed):
            known = by_question.setdefault(item.messages[0].content, item)
            assert known.id == item.id


def test_ids_stay_unique_when_a_kind_runs_out_of_new_questions() -> None:
    rows = nano.dialogues(["sounds"], n=40, seed=0)
    assert len({row.messages[0].content for row in rows}) == 6
    assert len({row.id for row in rows}) == 40


def test_arithmetic() -> None:
    for question, target in questions("arithmetic", "add"):
        assert sum(int(number) for number in re.findall(r"\d+", question)) == int(target)
    for question, target in questions("arithmetic", "subtract"):
        left, right = sorted(int(number) for number in re.findall(r"\d+", question))
        assert right - left == int(target)


def test_sorting() -> None:
    for template, falling in (("up", False), ("down", True)):
        for question, target in questions("sorting", template):
            assert target.split() == sorted(re.findall(r"\d", question), reverse=falling)


def test_reversing() -> None:
    for question, target in questions("reversing"):
        assert re.findall(r"\b[a-z]\b", question)[::-1] == target.split()


def test_counting() -> None:
    for question, target in questions("counting"):
        wanted, *letters = re.findall(r"\b[a-z]\b", question)
        assert Counter(letters)[wanted] == int(target)


def test_lookup() -> None:
    for question, target in questions("lookup"):
        table, _, asked = question.rpartition(". ")
        rows = dict(re.findall(r"(\d) ([a-z])", table))
        assert rows[asked.split()[-1]] == target


def test_facts_agree_with_the_world() -> None:
    lands = {land.name: land for land in LANDS}
    pair = re.compile(r"(capital|river|animal|colour) of (\w+)", re.IGNORECASE)
    for item in nano.ability_items("facts", n=N, seed=11):
        question = item.messages[0].content
        if item.subject == "land":
            asked = re.search(r"(capital|river) (the \w+|\w+)", question)
            assert asked is not None
            assert getattr(lands[item.target], asked[1]) == asked[2]
        else:
            told = [getattr(lands[name], attribute.lower()) for attribute, name in pair.findall(question)]
            assert " and ".join(told) == item.target


def test_the_world_has_unambiguous_lands() -> None:
    for attribute in ("name", "capital", "river"):
        assert len({getattr(land, attribute) for land in LANDS}) == len(LANDS)
    assert 4 * len(LANDS) >= 60


def test_pattern_has_one_rule_that_fits_every_example() -> None:
    rules = {
        "next": lambda letter: chr(ord(letter) + 1),
        "upper": str.upper,
        "twice": lambda letter: f"{letter} {letter}",
        "marked": lambda letter: f"{letter} z",
    }
    for question, target in questions("pattern"):
        *shown, last = question.split(": ")[1].split(", ")
        examples = [example.split(" > ") for example in shown]
        fitting = [rule for rule in rules.values() if all(rule(left) == right for left, right in examples)]
        assert [rule(last[0]) for rule in fitting] == [target]


def test_brackets_balance() -> None:
    for question, target in questions("brackets"):
        text = (question.split(": ")[1] + target).replace(" ", "")
        while (shorter := re.sub(r"\(\)|\[\]|\{\}", "", text)) != text:
            text = shorter
        assert text == ""


def test_english() -> None:
    forms = {form: verb for verb in VERBS for form in (verb.base, verb.third)}
    for question, target in questions("english", "past"):
        clause = question.removeprefix("Past: ")
        stated = max((form for form in forms if f" {form} " in clause), key=len)
        assert target == clause.replace(f" {stated} ", f" {forms[stated].past} ", 1)
    for question, target in questions("english", "future"):
        clause = question.removeprefix("Future: ")
        stated = max((form for form in forms if f" {form} " in clause), key=len)
        assert target == clause.replace(f" {stated} ", f" will {forms[stated].base} ", 1)
    for question, target in questions("english", "plural"):
        noun = next(word for word in reversed(re.findall(r"\w+", question)) if word in PLURALS)
        assert target.endswith(f" {PLURALS[noun]}")


def test_chinese_numerals_read_and_write_the_same_number() -> None:
    values = {digit: value for value, digit in enumerate("零一二三四五六七八九")}

    def number(text: str) -> int:
        tens, found, units = text.rpartition("十")
        return (values[tens] if tens else 1 if found else 0) * 10 + (values[units] if units else 0)

    for question, target in questions("chinese", "read"):
        assert number(re.sub(r"[是几？数字：]", "", question)) == int(target)
    for question, target in questions("chinese", "write"):
        assert int("".join(re.findall(r"\d", question))) == number(target)


def test_chinese_negation_and_question() -> None:
    for question, target in questions("chinese", "negation"):
        word = "没" if "有" in question else "不"
        assert target.count(word) == 1
        assert target.replace(word, "") == question.removeprefix("否定：")
    for question, target in questions("chinese", "question"):
        assert target == question.removeprefix("提问：") + "吗？"


def test_dialogues_have_a_trained_answer_to_an_untrained_question() -> None:
    rows = nano.dialogues(nano.ABILITIES + nano.OTHER_KINDS, n=N, seed=5)
    assert rows == nano.dialogues(nano.ABILITIES + nano.OTHER_KINDS, n=N, seed=5)
    assert rows != nano.dialogues(nano.ABILITIES + nano.OTHER_KINDS, n=N, seed=6)
    assert len({row.id for row in rows}) == N
    for row in rows:
        assert [(message.role, message.trained) for message in row.messages] == [("user", False), ("assistant", True)]


@pytest.mark.parametrize("kind", nano.OTHER_KINDS)
def test_every_other_kind_writes_questions_and_answers(kind: str) -> None:
    for row in nano.dialogues([kind], n=50, seed=5):
        assert all(message.content.strip() == message.content != "" for message in row.messages)
        assert "{" not in row.messages[0].content


def test_there_are_more_kinds_of_dialogue_than_abilities() -> None:
    assert len(nano.ABILITIES) == 10
    assert len(nano.OTHER_KINDS) >= 12
    assert not set(nano.ABILITIES) & set(nano.OTHER_KINDS)


def test_texts_are_seeded() -> None:
    rows = nano.texts(n=100, seed=1)
    assert rows == nano.texts(n=100, seed=1)
    assert rows != nano.texts(n=100, seed=2)
    assert all(row.text and not row.messages for row in rows)
    assert len({row.id for row in rows}) == 100


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(DataError, match="arithmetic"):
        nano.ability_items("juggling", n=1, seed=0)
    with pytest.raises(DataError, match="spelling"):
        nano.dialogues(["juggling"], n=1, seed=0)
    with pytest.raises(DataError, match="kinds"):
        nano.dialogues([], n=1, seed=0)
