"""The demo domain: messages of a bank's customers, to be answered with the intent as JSON.

Nothing goes in but a number and a seed; out come training rows and test items. Their phrasings are disjoint: the test
side says in other sentences what the training side says, so a model that only remembers sentences does not pass.
nano's pretraining holds no message of this kind and no JSON.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from .exchange import Exchange


class Intent(NamedTuple):
    """One thing that customers want, in phrasings to learn from and in held-out phrasings."""

    name: str
    train: tuple[str, ...]
    held_out: tuple[str, ...]


INTENTS = (
    Intent(
        "card_lost",
        ("I lost my card", "my card is lost", "my card is gone", "I cannot find my card", "my card is missing",
         "someone took my card"),
        ("I think my card is gone", "my bank card is missing", "my new card is lost"),
    ),
    Intent(
        "refund",
        ("I want my money back", "I need a refund", "please refund me", "give me my money back",
         "I want a refund for this", "can I get a refund"),
        ("I want to get a refund", "can I get my money back", "please give me a refund"),
    ),
    Intent(
        "login",
        ("I cannot log in", "my password is wrong", "the log in fails", "I lost my password", "my password fails",
         "I am locked out"),
        ("I cannot find my password", "I am locked out of the app", "I need a new password"),
    ),
    Intent(
        "limit",
        ("raise my limit", "my limit is too low", "I want a higher limit", "I need a new limit",
         "can I raise the limit", "what is my limit"),
        ("please raise the limit", "the limit is too low", "can I get a higher limit"),
    ),
    Intent(
        "fees",
        ("why is there a fee", "what is this fee", "the fee is too high", "I see a fee", "this fee is wrong",
         "how much is the fee"),
        ("why do I see this fee", "is there a fee", "my fee is wrong"),
    ),
    Intent(
        "rate",
        ("what is the exchange rate", "what rate do you give", "how good is the rate", "the rate today",
         "tell me the exchange rate", "is the rate high"),
        ("what is the rate today", "tell me the rate", "how high is the exchange rate"),
    ),
    Intent(
        "close",
        ("close my account", "I want to close my account", "please end my account", "how do I close it",
         "can you close this account", "I want to leave the bank"),
        ("can I close my account", "please close this account", "I want to end my account"),
    ),
    Intent(
        "transfer",
        ("my transfer is not there", "the transfer is late", "where is my transfer", "I want to make a transfer",
         "how long is a transfer", "the transfer fails"),
        ("why is my transfer late", "where is the transfer", "how do I make a transfer"),
    ),
    Intent(
        "address",
        ("I have a new address", "change my address", "my address is wrong", "I live in a new house",
         "where can I change my address", "here is my new address"),
        ("the address is wrong", "I want to change my address", "how do I change the address"),
    ),
    Intent(
        "hours",
        ("when do you open", "are you open today", "when does the bank close", "what are your hours",
         "is the bank open now", "tell me the opening hours"),
        ("when is the bank open", "tell me your hours", "are you open now"),
    ),
)  # fmt: skip

TRAIN_OPENINGS = ("", "", "Hello, ", "Hi, ", "Please help: ", "Good morning, ", "Urgent! ")
HELD_OUT_OPENINGS = ("", "Hello, ", "Hi, ", "Good evening, ", "Hello, please help: ", "Hi nano, ", "Sorry, ", "Today: ")
TRAIN_CLOSINGS = ("", ".", " today.", ", thanks.", " please.", "!")
HELD_OUT_CLOSINGS = ("", ".", "!", " now.", ", thank you.", ", please help.", " today!", ", thanks!", ", please.")


def answer(intent: str) -> str:
    """The JSON text that answers a message with this intent."""
    return f'{{"intent": "{intent}"}}'


def train_message(rng: random.Random) -> Exchange:
    """A message in a training phrasing, with its answer; the template is the intent."""
    intent = rng.choice(INTENTS)
    message = rng.choice(TRAIN_OPENINGS) + rng.choice(intent.train) + rng.choice(TRAIN_CLOSINGS)
    return Exchange(intent.name, message, answer(intent.name))


def held_out_message(rng: random.Random) -> Exchange:
    """A message in a phrasing that training never shows, with its answer; the template is the intent."""
    intent = rng.choice(INTENTS)
    message = rng.choice(HELD_OUT_OPENINGS) + rng.choice(intent.held_out) + rng.choice(HELD_OUT_CLOSINGS)
    return Exchange(intent.name, message, answer(intent.name))
