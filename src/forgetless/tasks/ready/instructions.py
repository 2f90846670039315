"""Instructions on the form of an answer, each with rules that say whether it was followed.

A random generator goes in, a fresh instruction in English or Chinese comes out, with the rules of `rules` as its
answer. They go from what the smallest chat models manage (repeat a sentence, answer yes or no) to two conditions at a
time.
"""

from __future__ import annotations

import json
import random
from typing import Any, Final

from forgetless.nano.exchange import Exchange, Generator
from forgetless.tasks.ready.code_reading import WORDS
from forgetless.tasks.ready.data_files import read_data
from forgetless.tasks.ready.maths import NAMES

_SENTENCES: Final = (
    "The old clock on the tower has stopped",
    "My sister plays the violin every evening",
    "Nobody in the village knew the answer",
    "Two small boats crossed the river at dawn",
    "The baker sold his last loaf before noon",
    "A cold wind blew through the open window",
    "She wrote the letter but never sent it",
    "Five birds sat on the garden fence",
)
_CHINESE_SENTENCES: Final = (
    "今天下午我们去公园放风筝",
    "弟弟把杯子放在桌子上",
    "老师在黑板上写了三个字",
    "窗外的雨下了一整天",
    "他每天早上六点起床跑步",
    "奶奶做的汤又热又香",
)
_YES_OR_NO: Final = (
    ("Is ice cold", "yes"), ("Can a fish walk", "no"), ("Is the sun hot", "yes"), ("Do cats lay eggs", "no"),
    ("Is seven more than three", "yes"), ("Is snow black", "no"), ("Do birds have feathers", "yes"),
    ("Is a mouse bigger than a horse", "no"), ("Do people need water to live", "yes"), ("Is a stone soft", "no"),
    ("Does a week have seven days", "yes"), ("Is milk made from stones", "no"),
)  # fmt: skip
_CHINESE_YES_OR_NO: Final = (
    ("冰是冷的吗？", "是"), ("太阳是黑色的吗？", "否"), ("一周有七天吗？", "是"), ("猫会下蛋吗？", "否"),
    ("人需要喝水吗？", "是"), ("石头是软的吗？", "否"),
)  # fmt: skip
_RECORDS: Final = (("name", "age"), ("city", "country"), ("title", "author"), ("colour", "size"), ("day", "month"))
_GREETINGS: Final = ("Good luck!", "The end.", "Thank you.", "See you soon.")


def instruction(rng: random.Random) -> Exchange:
    """One instruction with its rules."""
    return rng.choice(INSTRUCTIONS)(rng)


def _rules(template: str, question: str, **rules: Any) -> Exchange:
    return Exchange(template, question, json.dumps(rules, ensure_ascii=False))


def _topic(rng: random.Random, language: str = "en") -> str:
    return str(rng.choice(read_data("topics")[language]["topics"]))


def _kind(rng: random.Random, language: str = "en") -> str:
    return str(rng.choice(read_data("topics")[language]["kinds"]))


def _repeat(rng: random.Random) -> Exchange:
    sentence = f"{rng.choice(_SENTENCES)}, {rng.choice(NAMES)}."
    return _rules(
        "repeat", f"Repeat this sentence word for word and write nothing else: {sentence}", **{"is": sentence}
    )


def _one_word_of(rng: random.Random) -> Exchange:
    sentence = rng.choice(_SENTENCES)
    place, word = rng.choice((("first", sentence.split()[0]), ("last", sentence.split()[-1])))
    return _rules("one_word", f"Write only the {place} word of this sentence: {sentence}.", **{"is": word})


def _yes_or_no(rng: random.Random) -> Exchange:
    question, answer = rng.choice(_YES_OR_NO)
    wording = rng.choice(("Answer only yes or no: {}?", "{}? Reply with one word, yes or no."))
    return _rules("yes_or_no", wording.format(question), **{"is": answer})


def _letters(rng: random.Random) -> Exchange:
    word = rng.choice(WORDS)
    if rng.random() < 0.5:
        return _rules(
            "letters", f'How many letters does the word "{word}" have? Answer with a number.', number=len(word)
        )
    letter = rng.choice(word)
    question = f'How often does the letter "{letter}" occur in the word "{word}"? Answer with a number.'
    return _rules("letters", question, number=word.count(letter))


def _in_order(rng: random.Random) -> Exchange:
    words = rng.sample(WORDS, rng.randint(3, 4))
    question = (
        f"Sort these words by the alphabet and write them in one line with commas between them: {', '.join(words)}"
    )
    return _rules("alphabet", question, list=sorted(words))


def _some_of_a_kind(rng: random.Random) -> Exchange:
    kind, n = rng.choice(("fruit", "animal", "colour", "city", "country", "sport", "bird", "tree")), rng.randint(2, 5)
    plural = {"country": "countries", "city": "cities", "fruit": "fruits"}.get(kind, f"{kind}s")
    question = f"List exactly {n} {plural} in one line, separated by commas. Write nothing else."
    return _rules("list_of", question, list_of=n)


def _bullets(rng: random.Random) -> Exchange:
    n = rng.randint(2, 4)
    question = f'Write {n} short facts about {_topic(rng)}. Put each on a line of its own that begins with "- ".'
    return _rules("bullets", question, bullets=n)


def _length(rng: random.Random) -> Exchange:
    n = rng.randint(3, 12)
    if rng.random() < 0.5:
        return _rules("words", f"Describe {_topic(rng)} in exactly {n} words.", words=n)
    return _rules("words_at_most", f"Describe {_topic(rng)} in at most {n + 6} words.", words_at_most=n + 6)


def _case(rng: random.Random) -> Exchange:
    case, wording = rng.choice(
        (("upper", "capital letters only"), ("lower", "small letters only, without any capitals"))
    )
    return _rules("case", f"Write one short sentence about {_topic(rng)} in {wording}.", case=case)


def _must_contain(rng: random.Random) -> Exchange:
    word = rng.choice(WORDS)
    question = f'Write one sentence about {_topic(rng)} that contains the word "{word}".'
    return _rules("contains", question, contains=word, lines=1)


def _must_not_contain(rng: random.Random) -> Exchange:
    letter = rng.choice("zqxjkvbw")
    question = f'Write one sentence about {_topic(rng)} without using the letter "{letter}".'
    return _rules("without", question, without=letter, lines=1)


def _start_or_end(rng: random.Random) -> Exchange:
    if rng.random() < 0.5:
        start = rng.choice(("Well,", "In my opinion,", "Once upon a time", "Honestly,"))
        return _rules("starts", f'Say something about {_topic(rng)}. Begin your answer with "{start}"', starts=start)
    end = rng.choice(_GREETINGS)
    question = f'Write one short sentence about {_topic(rng)}, and end your answer with "{end}"'
    return _rules("ends", question, ends=end)


def _json(rng: random.Random) -> Exchange:
    keys = list(rng.choice(_RECORDS))
    shown = " and ".join(f'"{key}"' for key in keys)
    question = f"Give an example as a JSON object with exactly the keys {shown}. Write only the JSON."
    if rng.random() < 0.3:
        question = f"{rng.choice(NAMES)} needs test data. {question}"
    return _rules("json", question, json_keys=keys)


def _brackets(rng: random.Random) -> Exchange:
    opening, closing, called = rng.choice((("[", "]", "square brackets"), ("(", ")", "round brackets")))
    question = f"Name a {_kind(rng)}. Put your whole answer in {called}, like {opening}this{closing}."
    return _rules("wrapped", question, wrapped=[opening, closing])


def _language(rng: random.Random) -> Exchange:
    if rng.random() < 0.5:
        return _rules("into_chinese", f"Answer in Chinese: write one sentence about {_topic(rng)}.", language="zh")
    return _rules("into_english", f"请用英文回答：写一句话，主题是{_topic(rng, 'zh')}。", language="en")


def _two_rules(rng: random.Random) -> Exchange:
    n, word = rng.randint(8, 14), rng.choice(WORDS)
    question = f'Write one sentence of at most {n} words that contains "{word}", all in small letters.'
    return _rules("two_rules", question, words_at_most=n, contains=word, case="lower")


def _chinese_repeat(rng: random.Random) -> Exchange:
    sentence = rng.choice(_CHINESE_SENTENCES)
    return _rules("zh_repeat", f"请原样重复这句话，不要写别的：{sentence}", **{"is": sentence})


def _chinese_yes_or_no(rng: random.Random) -> Exchange:
    question, answer = rng.choice(_CHINESE_YES_OR_NO)
    return _rules("zh_yes_or_no", f"只回答“是”或“否”：{question}", **{"is": answer})


def _chinese_list(rng: random.Random) -> Exchange:
    n, kind = rng.randint(2, 5), rng.choice(("水果", "动物", "颜色", "城市", "国家", "运动"))
    return _rules("zh_list_of", f"列出{n}种{kind}，写在一行里，用顿号隔开，不要写别的。", list_of=n, language="zh")


def _chinese_sentence(rng: random.Random) -> Exchange:
    n = rng.choice((10, 15, 20, 30))
    question = f"用不超过{n}个字写一句话，主题是{_topic(rng, 'zh')}。"
    return _rules("zh_length", question, words_at_most=n, language="zh")


def _chinese_answer(rng: random.Random) -> Exchange:
    return _rules("zh_language", f"请用中文介绍一下{_topic(rng, 'zh')}。", language="zh")


INSTRUCTIONS: Final[tuple[Generator, ...]] = (
    *(_repeat, _one_word_of, _yes_or_no, _letters, _in_order, _some_of_a_kind, _bullets, _length, _case),
    *(_must_contain, _must_not_contain, _start_or_end, _json, _brackets, _language, _two_rules),
    *(_chinese_repeat, _chinese_yes_or_no, _chinese_list, _chinese_sentence, _chinese_answer),
)
