"""The words that nano knows: small closed lists of English and Chinese that every generator draws from.

Nothing goes in; out come plain tuples and mappings. They live apart from the generators so that the vocabulary stays
small enough for a tokenizer of about a thousand entries, and so that one word means the same in every kind of text.
"""

from __future__ import annotations

from typing import NamedTuple

LETTERS = tuple("abcdefghijklmnopqrstuvwxyz")
DIGITS = tuple("0123456789")


class Verb(NamedTuple):
    """An English verb in the three forms that the grammar needs, and what may follow it."""

    base: str
    third: str
    past: str
    tails: tuple[str, ...]


PLACES = ("to the park", "in the garden", "near the river", "at home", "to school", "in the house", "with a friend")
GOODS = ("a book", "the ball", "an apple", "some bread", "the old map", "a small cup", "the red box")

VERBS = (
    Verb("walk", "walks", "walked", PLACES),
    Verb("play", "plays", "played", PLACES),
    Verb("jump", "jumps", "jumped", PLACES),
    Verb("work", "works", "worked", PLACES),
    Verb("dance", "dances", "danced", PLACES),
    Verb("wait", "waits", "waited", PLACES),
    Verb("hurry", "hurries", "hurried", PLACES),
    Verb("stop", "stops", "stopped", PLACES),
    Verb("go", "goes", "went", PLACES),
    Verb("run", "runs", "ran", PLACES),
    Verb("swim", "swims", "swam", PLACES),
    Verb("sing", "sings", "sang", PLACES),
    Verb("sleep", "sleeps", "slept", PLACES),
    Verb("sit", "sits", "sat", PLACES),
    Verb("open", "opens", "opened", GOODS),
    Verb("want", "wants", "wanted", GOODS),
    Verb("carry", "carries", "carried", GOODS),
    Verb("wash", "washes", "washed", GOODS),
    Verb("look for", "looks for", "looked for", GOODS),
    Verb("see", "sees", "saw", GOODS),
    Verb("find", "finds", "found", GOODS),
    Verb("take", "takes", "took", GOODS),
    Verb("buy", "buys", "bought", GOODS),
    Verb("give away", "gives away", "gave away", GOODS),
)

FIRST_PERSONS = ("I", "you", "we", "they", "my friends", "the boys")
THIRD_PERSONS = ("he", "she", "the boy", "the old man", "my sister", "the dog")

PLURALS = {
    "dog": "dogs",
    "cat": "cats",
    "bird": "birds",
    "horse": "horses",
    "book": "books",
    "cup": "cups",
    "ball": "balls",
    "house": "houses",
    "box": "boxes",
    "fox": "foxes",
    "dish": "dishes",
    "bus": "buses",
    "city": "cities",
    "berry": "berries",
    "apple": "apples",
    "egg": "eggs",
    "island": "islands",
    "owl": "owls",
    "wolf": "wolves",
    "leaf": "leaves",
    "knife": "knives",
    "man": "men",
    "woman": "women",
    "child": "children",
    "foot": "feet",
    "tooth": "teeth",
    "mouse": "mice",
    "goose": "geese",
    "sheep": "sheep",
    "fish": "fish",
}
ADJECTIVES = ("red", "blue", "green", "white", "black", "old", "new", "small", "big", "good", "ugly", "empty", "happy")
NUMERALS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

OPPOSITES = {
    "hot": "cold",
    "big": "small",
    "old": "new",
    "good": "bad",
    "fast": "slow",
    "up": "down",
    "open": "closed",
    "long": "short",
    "happy": "sad",
    "day": "night",
    "full": "empty",
    "near": "far",
    "yes": "no",
    "lost": "found",
    "high": "low",
    "early": "late",
}
THING_COLOURS = {
    "grass": "green",
    "snow": "white",
    "the sky": "blue",
    "blood": "red",
    "the sun": "yellow",
    "night": "black",
    "milk": "white",
    "a leaf": "green",
    "the sea": "blue",
    "a lemon": "yellow",
    "bread": "brown",
    "a cherry": "red",
}
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
ANIMAL_SOUNDS = {"dog": "woof", "cat": "meow", "cow": "moo", "duck": "quack", "sheep": "baa", "owl": "hoo"}

CHINESE = {
    "dog": "狗",
    "cat": "猫",
    "bird": "鸟",
    "horse": "马",
    "fish": "鱼",
    "book": "书",
    "cup": "杯子",
    "house": "房子",
    "apple": "苹果",
    "egg": "鸡蛋",
    "water": "水",
    "tea": "茶",
    "rice": "米饭",
    "bread": "面包",
    "friend": "朋友",
    "car": "车",
    "big": "大",
    "small": "小",
    "red": "红",
    "white": "白",
}

CHINESE_PEOPLE = ("我", "你", "他", "她", "我们", "他们", "老师", "朋友")
CHINESE_TIMES = ("", "今天", "明天", "现在")
CHINESE_CLAUSES = {
    "喜欢": ("猫", "狗", "茶", "书", "苹果", "鱼"),
    "吃": ("苹果", "米饭", "面包", "鸡蛋", "鱼"),
    "喝": ("水", "茶"),
    "看": ("书", "鸟", "马"),
    "买": ("书", "车", "面包", "杯子", "房子", "衣服"),
    "有": ("书", "车", "猫", "狗", "房子", "朋友"),
}
MEASURE_WORDS = {
    "书": "本",
    "猫": "只",
    "狗": "只",
    "鸟": "只",
    "马": "匹",
    "鱼": "条",
    "河": "条",
    "车": "辆",
    "茶": "杯",
    "水": "杯",
    "衣服": "件",
    "房子": "座",
    "山": "座",
    "苹果": "个",
    "鸡蛋": "个",
    "人": "个",
    "朋友": "个",
    "纸": "张",
    "票": "张",
    "花": "朵",
}
CHINESE_DIGITS = "零一二三四五六七八九"


def chinese_numeral(number: int) -> str:
    """The Chinese words for a whole number from 0 to 99.

    Raises:
        ValueError: For a number outside that range.
    """
    if not 0 <= number <= 99:
        raise ValueError(f"`number`: {number} is outside 0 to 99")
    tens, units = divmod(number, 10)
    if tens == 0:
        return CHINESE_DIGITS[units]
    head = "" if tens == 1 else CHINESE_DIGITS[tens]
    return head + "十" + (CHINESE_DIGITS[units] if units else "")
