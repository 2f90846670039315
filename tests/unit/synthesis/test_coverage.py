"""Likeness of prompts by form, in languages with and without spaces."""

from __future__ import annotations

import random

import pytest

from forgetless.synthesis import measure_coverage

SUBJECTS = ["银行卡", "贷款", "转账", "密码", "账单", "汇率", "利息", "支票", "积分", "理财"]
QUESTIONS = ["{a}怎么申请？", "我的{a}出了什么问题？", "请介绍一下{a}和{b}。", "{a}与{b}哪个更合适？", "怎样取消{a}？"]
ENGLISH = ["How do I apply for a {a}?", "What is wrong with my {a}?", "Compare {a} and {b}, please."]


def asked(forms: list[str], n: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    words = SUBJECTS if "{a}怎么申请？" in forms else ["card", "loan", "transfer", "password", "bill", "rate", "cheque"]
    return [rng.choice(forms).format(a=rng.choice(words), b=rng.choice(words)) for _ in range(n)]


@pytest.mark.parametrize("forms", [QUESTIONS, ENGLISH], ids=["chinese", "english"])
def test_prompts_of_the_same_kind_cover_and_others_do_not(forms: list[str]) -> None:
    items = asked(forms, 120, seed=0)
    assert measure_coverage("bank", items, asked(forms, 200, seed=1)).covered is True
    other = ENGLISH if forms is QUESTIONS else QUESTIONS
    assert measure_coverage("bank", items, asked(other, 200, seed=1)).covered is False


def test_chinese_questions_that_share_only_words_are_like_each_other() -> None:
    # No two of them have four characters in a row in common, so pieces of four would tell nothing.
    items = ["光合作用产生什么气体", "什么气体最轻", "哪种气体能助燃", "作用力的单位是什么", "最轻的金属是哪种"]
    found = measure_coverage("science", items * 2, items)
    assert found.likeness == 1.0


def test_no_prompts_cover_nothing_and_no_items_are_not_known() -> None:
    assert measure_coverage("bank", ["问题一", "问题二"], []).covered is False
    assert measure_coverage("bank", [], ["问题"]).covered is None
