"""The demo domain: messages of a bank's customers, to be answered with the intent as JSON.

Nothing goes in but a number and a seed; out come training rows and test items. Their phrasings are disjoint: on the
test side topics stand in carrier sentences in which training never shows them, with other openings and closings, so a
model that only remembers sentences does not pass.
nano's pretraining holds no message of this kind and no JSON.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from .exchange import Exchange


class Intent(NamedTuple):
    """One thing that customers want: plain sentences to learn from, and topics that any carrier sentence may name."""

    name: str
    sentences: tuple[str, ...]
    topics: tuple[str, ...]


INTENTS = (
    Intent(
        "card_lost",
        ("I lost my card", "I cannot find my card", "someone took my card", "I think my card is gone"),
        ("a lost card", "my missing card", "a stolen card", "the loss of my card", "the card that I lost"),
    ),
    Intent(
        "refund",
        ("I want my money back", "please refund me", "can I get a refund", "give me my money back"),
        ("a refund", "my money back", "a refund for this", "the refund that I want", "getting my money back"),
    ),
    Intent(
        "login",
        ("I cannot log in", "my password is wrong", "the log in fails", "I am locked out"),
        ("my password", "the log in", "a new password", "being locked out", "logging in"),
    ),
    Intent(
        "limit",
        ("raise my limit", "my limit is too low", "can I raise the limit", "what is my limit"),
        ("my limit", "a higher limit", "the daily limit", "raising the limit", "a limit that is too low"),
    ),
    Intent(
        "fees",
        ("why is there a fee", "what is this fee", "the fee is too high", "how much is the fee"),
        ("a fee", "this fee", "the high fee", "fees that I see", "a fee that is wrong"),
    ),
    Intent(
        "rate",
        ("what is the exchange rate", "how good is the rate", "the rate today", "what rate do you give"),
        ("the exchange rate", "the rate today", "a better rate", "rates for dollars", "the rate that you give"),
    ),
    Intent(
        "close",
        ("close my account", "please end my account", "how do I close it", "I want to leave the bank"),
        ("closing my account", "the end of my account", "leaving the bank", "an account to close", "closing it"),
    ),
    Intent(
        "transfer",
        ("my transfer is not there", "the transfer is late", "where is my transfer", "how long is a transfer"),
        ("my transfer", "a late transfer", "the transfer abroad", "a transfer that fails", "making a transfer"),
    ),
    Intent(
        "address",
        ("I have a new address", "change my address", "my address is wrong", "I live in a new house"),
        ("my address", "a new address", "the wrong address", "a change of address", "moving house"),
    ),
    Intent(
        "hours",
        ("when do you open", "are you open today", "when does the bank close", "is the bank open now"),
        ("your hours", "the opening hours", "when you open", "opening times", "the hours today"),
    ),
)

CARRIERS = (
    "I have a question about {}",
    "this is about {}",
    "I write because of {}",
    "can you help me with {}",
    "I need help with {}",
    "what about {}",
    "please tell me more about {}",
    "it is about {}",
    "who can help with {}",
    "I call about {}",
    "my question is about {}",
    "let us talk about {}",
    "please look into {}",
    "I want to ask about {}",
    "there is something about {}",
    "I am not happy with {}",
)

TRAIN_OPENINGS = ("", "", "Hello, ", "Hi, ", "Please help: ", "Good morning, ", "Urgent! ")
HELD_OUT_OPENINGS = ("", "Hello, ", "Hi, ", "Good evening, ", "Hello, please help: ", "Hi nano, ", "Sorry, ", "Today: ")
TRAIN_CLOSINGS = ("", ".", " today.", ", thanks.", " please.", "!")
HELD_OUT_CLOSINGS = ("", ".", "!", " now.", ", thank you.", ", please help.", " today!", ", thanks!", ", please.")

_HELD_OUT_EVERY = 4
_SHARE_OF_SENTENCES = 0.3


class Phrasing(NamedTuple):
    """A carrier sentence about a topic."""

    intent: str
    text: str


def _phrasings(*, held_out: bool) -> tuple[Phrasing, ...]:
    """Every carrier with every topic but one in four, or just those: training hears both, but never together."""
    topics = [(intent.name, topic) for intent in INTENTS for topic in intent.topics]
    return tuple(
        Phrasing(name, carrier.format(topic))
        for i, carrier in enumerate(CARRIERS)
        for j, (name, topic) in enumerate(topics)
        if ((i + j) % _HELD_OUT_EVERY == 0) == held_out
    )


_TRAIN, _HELD_OUT = _phrasings(held_out=False), _phrasings(held_out=True)


def answer(intent: str) -> str:
    """The JSON text that answers a message with this intent."""
    return f'{{"intent": "{intent}"}}'


def train_message(rng: random.Random) -> Exchange:
    """A message in a training phrasing, with its answer; the template is the intent."""
    if rng.random() < _SHARE_OF_SENTENCES:
        intent = rng.choice(INTENTS)
        phrasing = Phrasing(intent.name, rng.choice(intent.sentences))
    else:
        phrasing = rng.choice(_TRAIN)
    return _message(phrasing, rng.choice(TRAIN_OPENINGS), rng.choice(TRAIN_CLOSINGS))


def held_out_message(rng: random.Random) -> Exchange:
    """A message in a phrasing that training never shows, with its answer; the template is the intent."""
    return _message(rng.choice(_HELD_OUT), rng.choice(HELD_OUT_OPENINGS), rng.choice(HELD_OUT_CLOSINGS))


def _message(phrasing: Phrasing, opening: str, closing: str) -> Exchange:
    return Exchange(phrasing.intent, opening + phrasing.text + closing, answer(phrasing.intent))
