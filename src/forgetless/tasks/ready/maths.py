"""Calculations and small word problems, from single digits to three steps, in English and Chinese.

A random generator goes in, a fresh question with a whole number as its answer comes out. Every answer is computed
from the numbers that were drawn, and every question asks for the number alone, so that answers are short.
"""

from __future__ import annotations

import datetime
import random
from typing import Final

from forgetless.nano.exchange import Exchange, Generator

NAMES: Final = ("Anna", "Ben", "Clara", "David", "Ella", "Frank", "Grace", "Henry", "Ivy", "Jack", "Mia", "Tom")
CHINESE_NAMES: Final = ("小明", "小红", "小刚", "小丽", "李华", "王芳")
THINGS: Final = ("apples", "stickers", "marbles", "books", "pencils", "coins", "eggs", "cards", "shells", "tickets")
CHINESE_THINGS: Final = (("个", "苹果"), ("本", "书"), ("支", "铅笔"), ("张", "贴纸"), ("颗", "糖"), ("个", "球"))
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_CONVERSIONS: Final = (
    ("kilometres", "metres", 1000),
    ("metres", "centimetres", 100),
    ("kilograms", "grams", 1000),
    ("hours", "minutes", 60),
    ("minutes", "seconds", 60),
    ("days", "hours", 24),
    ("weeks", "days", 7),
    ("years", "months", 12),
    ("dozen eggs", "single eggs", 12),
    ("litres", "millilitres", 1000),
)


def problem(rng: random.Random) -> Exchange:
    """One calculation or word problem of any kind."""
    return rng.choice(PROBLEMS)(rng)


def _number(template: str, question: str, answer: int) -> Exchange:
    return Exchange(template, f"{question} Answer with the number only.", str(answer))


def _chinese(template: str, question: str, answer: int) -> Exchange:
    return Exchange(template, f"{question}只回答数字。", str(answer))


def _sum_or_difference(rng: random.Random) -> Exchange:
    largest = rng.choice((5, 10, 20, 100, 1000))
    left, right = rng.randint(1, largest), rng.randint(1, largest)
    if rng.random() < 0.5:
        return _number("add", f"What is {left} + {right}?", left + right)
    return _number("subtract", f"What is {left + right} - {right}?", left)


def _counting(rng: random.Random) -> Exchange:
    number = rng.randint(1, 98)
    wording, answer = rng.choice(
        (
            ("Which number comes right after {}?", number + 1),
            ("Which number comes right before {}?", number - 1),
            ("What is the double of {}?", 2 * number),
            ("What is one more than {}?", number + 1),
        )
    )
    return _number("counting", wording.format(number), answer)


def _product(rng: random.Random) -> Exchange:
    left, right = rng.choice(((9, 9), (12, 12), (99, 9), (99, 99)))
    left, right = rng.randint(2, left), rng.randint(2, right)
    if rng.random() < 0.4:
        return _number("divide", f"What is {left * right} divided by {right}?", left)
    return _number("multiply", f"What is {left} times {right}?", left * right)


def _terms(rng: random.Random) -> Exchange:
    first, second, third = rng.randint(10, 60), rng.randint(2, 9), rng.randint(2, 9)
    if rng.random() < 0.5:
        return _number("order", f"What is {first} + {second} * {third}?", first + second * third)
    return _number("terms", f"What is {first} + {second} - {third}?", first + second - third)


def _percent(rng: random.Random) -> Exchange:
    percent, whole = rng.choice((10, 20, 25, 50, 75)), 20 * rng.randint(1, 40)
    return _number("percent", f"What is {percent} percent of {whole}?", whole * percent // 100)


def _remainder(rng: random.Random) -> Exchange:
    divisor = rng.randint(3, 12)
    number = rng.randint(divisor + 1, 99)
    question = f"What remains when {number} is divided by {divisor}?"
    return _number("remainder", question, number % divisor)


def _order_of_size(rng: random.Random) -> Exchange:
    numbers = rng.sample(range(1, rng.choice((20, 100, 1000))), rng.randint(3, 5))
    shown = ", ".join(map(str, numbers))
    rank, place = rng.choice((("largest", -1), ("smallest", 0), ("second smallest", 1), ("second largest", -2)))
    return _number("size", f"Which of these numbers is the {rank}: {shown}?", sorted(numbers)[place])


def _sequence(rng: random.Random) -> Exchange:
    start, step = rng.randint(1, 30), rng.randint(2, 12)
    if rng.random() < 0.3:
        start, step = rng.randint(1, 4), rng.randint(2, 3)
        numbers = [start * step**i for i in range(5)]
    else:
        numbers = [start + step * i for i in range(5)]
    return _number("sequence", f"Which number comes next: {', '.join(map(str, numbers[:4]))}?", numbers[4])


def _conversion(rng: random.Random) -> Exchange:
    large, small, factor = rng.choice(_CONVERSIONS)
    amount = rng.randint(2, 12)
    return _number("units", f"How many {small} are {amount} {large}?", amount * factor)


def _minutes(rng: random.Random) -> Exchange:
    start = rng.randint(6 * 60, 20 * 60)
    length = rng.randint(5, 180)
    first, last = (f"{t // 60}:{t % 60:02d}" for t in (start, start + length))
    return _number("clock", f"How many minutes is it from {first} to {last}?", length)


def _days(rng: random.Random) -> Exchange:
    # No leap year, and no span that crosses one.
    first = datetime.date(2023, 1, 1) + datetime.timedelta(days=rng.randint(0, 300))
    length = rng.randint(2, 60)
    last = first + datetime.timedelta(days=length)
    shown = [f"{day.day} {_MONTHS[day.month - 1]}" for day in (first, last)]
    return _number("dates", f"How many days after {shown[0]} is {shown[1]} (no leap year)?", length)


def _rectangle(rng: random.Random) -> Exchange:
    width, height = rng.randint(2, 15), rng.randint(2, 15)
    if rng.random() < 0.5:
        return _number("area", f"A room is {width} m wide and {height} m long. What is its area in m²?", width * height)
    question = f"A field is {width} m wide and {height} m long. How many metres of fence go all round it?"
    return _number("perimeter", question, 2 * (width + height))


def _gain_and_loss(rng: random.Random) -> Exchange:
    name, thing = rng.choice(NAMES), rng.choice(THINGS)
    has, gets = rng.randint(3, 40), rng.randint(2, 30)
    loses = rng.randint(1, has + gets - 1)
    question = (
        f"{name} has {has} {thing}, gets {gets} more and gives {loses} away. How many {thing} does {name} have now?"
    )
    return _number("gain_and_loss", question, has + gets - loses)


def _change(rng: random.Random) -> Exchange:
    name, thing = rng.choice(NAMES), rng.choice(THINGS)
    count, price = rng.randint(2, 9), rng.randint(2, 9)
    paid = 10 * (count * price // 10 + rng.randint(1, 5))
    question = (
        f"{name} buys {count} {thing} for {price} dollars each and pays with {paid} dollars. "
        "How many dollars come back?"
    )
    return _number("change", question, paid - count * price)


def _sharing(rng: random.Random) -> Exchange:
    thing, people, each, rest = rng.choice(THINGS), rng.randint(2, 9), rng.randint(2, 12), rng.randint(1, 20)
    question = (
        f"There are {people * each + rest} {thing}. {rest} are set aside, and {people} children share the others "
        f"equally. How many {thing} does each child get?"
    )
    return _number("sharing", question, each)


def _travel(rng: random.Random) -> Exchange:
    speed, hours = 10 * rng.randint(2, 12), rng.randint(2, 9)
    if rng.random() < 0.5:
        return _number("distance", f"How many km does a car drive in {hours} hours at {speed} km/h?", speed * hours)
    question = f"A train covers {speed * hours} km at {speed} km/h. How many hours does it take?"
    return _number("duration", question, hours)


def _average(rng: random.Random) -> Exchange:
    mean, off, further = rng.randint(10, 60), rng.randint(1, 9), rng.randint(1, 9)
    numbers = [mean - off, mean + off + further, mean - further]
    rng.shuffle(numbers)
    return _number("average", f"What is the average of {numbers[0]}, {numbers[1]} and {numbers[2]}?", mean)


def _ages(rng: random.Random) -> Exchange:
    older, younger = rng.sample(NAMES, 2)
    age, times, years = rng.randint(3, 12), rng.randint(2, 4), rng.randint(2, 9)
    question = f"{younger} is {age}. {older} is {times} times as old. How old will {older} be in {years} years?"
    return _number("ages", question, age * times + years)


def _savings(rng: random.Random) -> Exchange:
    name, weekly, weeks = rng.choice(NAMES), rng.randint(3, 15), rng.randint(3, 12)
    spent = rng.randint(1, weekly * weeks - 1)
    saved = rng.randint(5, 40)
    question = (
        f"{name} has {saved} dollars, saves {weekly} dollars a week for {weeks} weeks and then spends {spent}. "
        "How many dollars are left?"
    )
    return _number("savings", question, saved + weekly * weeks - spent)


def _chinese_sum(rng: random.Random) -> Exchange:
    left, right = rng.randint(2, 99), rng.randint(2, 99)
    if rng.random() < 0.5:
        return _chinese("zh_add", f"{left}加{right}等于多少？", left + right)
    left = rng.randint(2, 12)
    return _chinese("zh_multiply", f"{left}乘以{right}等于多少？", left * right)


def _chinese_story(rng: random.Random) -> Exchange:
    name, (measure, thing) = rng.choice(CHINESE_NAMES), rng.choice(CHINESE_THINGS)
    has, gets = rng.randint(3, 40), rng.randint(2, 30)
    loses = rng.randint(1, has + gets - 1)
    question = (
        f"{name}有{has}{measure}{thing}，又得到{gets}{measure}，送给别人{loses}{measure}，现在还有多少{measure}？"
    )
    return _chinese("zh_gain_and_loss", question, has + gets - loses)


def _chinese_change(rng: random.Random) -> Exchange:
    name, (measure, thing) = rng.choice(CHINESE_NAMES), rng.choice(CHINESE_THINGS)
    count, price = rng.randint(2, 9), rng.randint(2, 9)
    paid = 10 * (count * price // 10 + rng.randint(1, 5))
    question = f"{thing}每{measure}{price}元，{name}买了{count}{measure}，付了{paid}元，应找回多少元？"
    return _chinese("zh_change", question, paid - count * price)


PROBLEMS: Final[tuple[Generator, ...]] = (
    *(_sum_or_difference, _sum_or_difference, _sum_or_difference, _counting, _counting, _product, _product),
    *(_terms, _percent, _remainder, _order_of_size, _order_of_size, _sequence, _sequence, _conversion, _conversion),
    *(_minutes, _days, _rectangle, _gain_and_loss, _change, _sharing, _travel, _average, _ages, _savings),
    *(_chinese_sum, _chinese_story, _chinese_change),
)
"""The kinds of problem; those that small models can do stand more often."""
