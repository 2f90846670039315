"""Likeness of prompts by form, in languages with and without spaces."""

from __future__ import annotations

import random

import pytest

from forgetless.synthesis import divide_by_kind, measure_coverage
from forgetless.synthesis.coverage import FEWEST_ALIKE

SUBJECTS = ["银行卡", "贷款", "转账", "密码", "账单", "汇率", "利息", "支票", "积分", "理财"]
QUESTIONS = ["{a}怎么申请？", "我的{a}出了什么问题？", "请介绍一下{a}和{b}。", "{a}与{b}哪个更合适？", "怎样取消{a}？"]
ENGLISH = ["How do I apply for a {a}?", "What is wrong with my {a}?", "Compare {a} and {b}, please."]


def asked(forms: list[str], n: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    words = SUBJECTS if "{a}怎么申请？" in forms else ["card", "loan", "transfer", "password", "bill", "rate", "cheque"]
    return [rng.choice(forms).format(a=rng.choice(words), b=rng.choice(words)) for _ in range(n)]


def covered(items: list[str], prompts: list[str]) -> bool | None:
    (found,) = measure_coverage({"bank": items}, prompts)
    return found.covered


@pytest.mark.parametrize("forms", [QUESTIONS, ENGLISH], ids=["chinese", "english"])
def test_prompts_of_the_same_kind_cover_and_others_do_not(forms: list[str]) -> None:
    items = asked(forms, 120, seed=0)
    assert covered(items, asked(forms, 200, seed=1)) is True
    other = ENGLISH if forms is QUESTIONS else QUESTIONS
    assert covered(items, asked(other, 200, seed=1)) is False


def test_chinese_questions_that_share_only_words_are_like_each_other() -> None:
    # No two of them have four characters in a row in common, so pieces of four would tell nothing.
    items = ["光合作用产生什么气体", "什么气体最轻", "哪种气体能助燃", "作用力的单位是什么", "最轻的金属是哪种"]
    (found,) = measure_coverage({"science": items * 2}, items)
    assert found.likeness == 1.0


def test_a_prompt_is_of_the_kind_that_it_is_most_like_or_of_none() -> None:
    capabilities = {"chinese": asked(QUESTIONS, 120, seed=0), "english": asked(ENGLISH, 120, seed=0)}
    prompts = [*asked(QUESTIONS, 40, seed=1), *asked(ENGLISH, 40, seed=1), "1 + 1 =", "Sing."]
    found = divide_by_kind(capabilities, prompts)
    assert found["english"] == list(range(40, 80))
    assert set(found["chinese"]) <= set(range(40))
    assert len(found["chinese"]) >= 32


def test_a_handful_of_prompts_is_no_kind_and_unlike_items_have_none() -> None:
    capabilities = {"english": asked(ENGLISH, 120, seed=0), "odd": ["abcdefgh", "ijklmnop", "qrstuvwx", "yz012345"]}
    prompts = asked(ENGLISH, FEWEST_ALIKE, seed=1)
    assert divide_by_kind(capabilities, prompts) == {"english": list(range(FEWEST_ALIKE))}
    assert divide_by_kind(capabilities, prompts[1:]) == {}
    assert divide_by_kind({}, prompts) == {}


def test_no_prompts_cover_nothing_and_no_items_are_not_known() -> None:
    assert covered(["问题一", "问题二"], []) is False
    assert covered([], ["问题"]) is None
