"""The demo domain: training and held-out phrasings are disjoint, and nano has seen neither."""

from __future__ import annotations

import json

from forgetless import nano
from forgetless.nano.domain import INTENTS


def test_held_out_phrasings_are_none_that_training_shows() -> None:
    for intent in INTENTS:
        assert not set(intent.held_out) & {phrase for other in INTENTS for phrase in other.train}


def test_no_test_message_is_a_training_message() -> None:
    trained = {row.messages[0].content for row in nano.domain_rows(n=2500, seed=0)}
    tested = {item.messages[0].content for item in nano.domain_items(n=1500, seed=0)}
    assert len(tested) == 1500
    assert not trained & tested


def test_an_answer_is_json_with_a_known_intent() -> None:
    names = {intent.name for intent in INTENTS}
    assert len(names) == len(INTENTS) == 10
    for item in nano.domain_items(n=300, seed=1):
        assert json.loads(item.target) == {"intent": item.subject}
        assert item.subject in names
    for row in nano.domain_rows(n=300, seed=1):
        question, answer = row.messages
        assert json.loads(answer.content)["intent"] in names
        assert answer.trained
        assert not question.trained


def test_both_sides_are_seeded() -> None:
    assert nano.domain_items(n=50, seed=4) == nano.domain_items(n=50, seed=4)
    assert nano.domain_items(n=50, seed=4) != nano.domain_items(n=50, seed=5)
    assert nano.domain_rows(n=50, seed=4) == nano.domain_rows(n=50, seed=4)
    assert nano.domain_rows(n=50, seed=4) != nano.domain_rows(n=50, seed=5)


def test_pretraining_kinds_hold_no_json() -> None:
    rows = nano.dialogues(nano.ABILITIES + nano.OTHER_KINDS, n=3000, seed=9)
    assert not any('"' in message.content for row in rows for message in row.messages)
