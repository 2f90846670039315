"""The demo domain: training and held-out phrasings are disjoint, and nano has seen neither."""

from __future__ import annotations

import json

from forgetless import nano
from forgetless.nano.domain import CARRIERS, HELD_OUT_CLOSINGS, INTENTS, TRAIN_CLOSINGS


def test_held_out_phrasings_join_what_training_shows_apart() -> None:
    """Every topic and every carrier is heard in training, none of the tested pairs is."""
    trained = {row.messages[0].content for row in nano.domain_rows(n=2500, seed=0)}
    tested = {item.messages[0].content for item in nano.domain_items(n=1500, seed=0)}
    phrasings = {(carrier, topic) for carrier in CARRIERS for intent in INTENTS for topic in intent.topics}

    def heard(messages: set[str]) -> set[tuple[str, str]]:
        endings = (*TRAIN_CLOSINGS, *HELD_OUT_CLOSINGS)
        return {(c, t) for c, t in phrasings if any(m.endswith(c.format(t) + e) for m in messages for e in endings)}

    in_training, in_test = heard(trained), heard(tested)
    assert not in_training & in_test
    assert len(in_test) > 180
    assert {carrier for carrier, _ in in_training} == set(CARRIERS)
    assert {topic for _, topic in in_training} == {topic for intent in INTENTS for topic in intent.topics}


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
