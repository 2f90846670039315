from __future__ import annotations

import re
import string
from importlib.resources import files

import pytest

from forgetless.records import ItemResult
from forgetless.reporting.phrases import LANGUAGES, Localised, Recorded, phrase, say, sentences
from forgetless.verdicts import judge_all


def gaps(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def test_languages_hold_the_same_phrases_with_the_same_gaps():
    english, chinese = sentences("en"), sentences("zh")
    assert list(english) == list(chinese)
    optional = {"headline.failures_more": {"more"}}
    for key, template in english.items():
        assert gaps(template) - optional.get(key, set()) == gaps(chinese[key]) - optional.get(key, set()), key


def test_chinese_is_chinese():
    same_by_nature = {"list.sentences", "verdicts.covered_unknown", "certificate.position_value"}
    for key, text in sentences("zh").items():
        if key not in same_by_nature and re.sub(r"\{\w+\}|[^\w]", "", text):
            assert re.search(r"[\u4e00-\u9fff]", text), key


def test_every_phrase_is_used():
    room = files("forgetless.reporting")
    code = "".join(p.read_text(encoding="utf-8") for p in room.iterdir() if p.name.endswith(".py"))
    code += (room / "phrases" / "__init__.py").read_text(encoding="utf-8")
    for folder in (room / "templates", room / "templates" / "sections"):
        code += "".join(p.read_text(encoding="utf-8") for p in folder.iterdir() if p.name.endswith(".j2"))
    built = set(re.findall(r"[\"']([a-z_]+\.[a-z_]*)[\"{]", code))
    unused = [key for key in sentences("en") if key not in code and not any(key.startswith(p) for p in built)]
    assert unused == []


def test_an_open_gap_is_an_error():
    with pytest.raises(KeyError):
        say(phrase("tile.of"), "en")


def test_values_with_braces_stay_as_they_are():
    assert say(phrase("tile.of", n="{n} {0}"), "en") == "of {n} {0}"


def test_a_tuple_is_read_out_as_a_list():
    assert say(("a", "b"), "en") == "a, b"
    assert say(("a", phrase("outcome.kept")), "zh") == "a、保住"


def test_english_stands_in_for_a_missing_translation():
    assert say(Localised({"en": "x"}), "zh") == "x"


def test_unknown_recorded_sentence_is_shown_as_it_stands():
    assert say(Recorded("nobody translated {this}"), "zh") == "nobody translated {this}"


def test_recorded_sentences_nest():
    text = "facts: undecided (needs at least 149 items to certify 2 points, has 90)"
    assert say(Recorded(text), "en") == text
    assert say(Recorded(text), "zh") == "facts：无法判定（要认证 2 个百分点，至少需要 149 题，现有 90 题）"


def results(score: float, n: int) -> list[ItemResult]:
    return [ItemResult(str(i), score if i % 10 else 1.0 - score) for i in range(n)]


@pytest.mark.parametrize(("base", "tuned", "n"), [(1.0, 1.0, 400), (1.0, 0.0, 400), (1.0, 1.0, 20), (0.0, 0.0, 400)])
def test_the_judges_own_words_are_translated(base, tuned, n):
    """Fails when the judge changes its wording and the translation does not follow."""
    found = judge_all({"a": (results(base, n), results(tuned, n))}, margins={"a": 0.02}, chances={"a": 0.0}, alpha=0.05)
    for verdict in found:
        if verdict.outcome in ("undecided", "dropped", "kept"):
            assert re.search(r"[\u4e00-\u9fff]", say(Recorded(verdict.reason), "zh")), verdict.reason


def test_words_about_a_list_and_about_strict_looks_are_translated():
    for said in ("on this list of 200 items", "not certified; a strict look tells no more of what failed"):
        assert re.search(r"[\u4e00-\u9fff]", say(Recorded(said), "zh")), said


def test_languages_are_what_the_page_offers():
    assert LANGUAGES == ("en", "zh")


@pytest.mark.parametrize("margin", [0.005, 0.01, 0.02])
@pytest.mark.parametrize("missing", [0, 3])
@pytest.mark.parametrize("groups", [False, True])
@pytest.mark.parametrize(("losses", "n"), [(0, 1), (0, 40), (0, 900), (30, 900), (8, 500), (300, 900)])
def test_every_reason_of_a_verdict_reads_as_chinese(margin, missing, groups, losses, n):
    def results(right):
        return [
            ItemResult(f"i{i}", None if i < missing and not right else float(right or i >= losses),
                       group=f"g{i // 2}" if groups else "")
            for i in range(n)
        ]  # fmt: skip

    (verdict,) = judge_all({"maths": (results(True), results(False))}, margins={"maths": margin})
    chinese = say(Recorded(verdict.reason), "zh")
    assert not re.search("[a-z]{3}", chinese), chinese
