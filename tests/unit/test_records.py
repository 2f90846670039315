"""The nouns: to plain JSON data and back, with unknown staying unknown."""

from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forgetless import records
from forgetless.records import Certificate, ItemResult, Message, Row, ScoreSheet, ToolCall, Verdict, from_json, to_json

RECORDS = sorted(
    (kind for kind in vars(records).values() if dataclasses.is_dataclass(kind)), key=lambda kind: kind.__name__
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
NOT_FINITE = [math.nan, math.inf, -math.inf]


def sheet(*scores: float | None) -> ScoreSheet:
    return ScoreSheet("key", "task", "model", tuple(ItemResult(f"item-{i}", s) for i, s in enumerate(scores)))


def any_record(kind: type[Any]) -> st.SearchStrategy[Any]:
    with_floats = {float: FLOATS}
    for plain, strategy in with_floats.items():
        st.register_type_strategy(plain, strategy)
    return st.from_type(kind)


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_a_record_survives_json(kind: type[Any], data: st.DataObject) -> None:
    record = data.draw(any_record(kind))
    text = json.dumps(to_json(record), allow_nan=False)
    assert from_json(kind, json.loads(text)) == record


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
def test_records_are_frozen_and_slotted(kind: type[Any]) -> None:
    assert kind.__dataclass_params__.frozen
    assert "__slots__" in vars(kind)


@pytest.mark.parametrize("unknown", NOT_FINITE)
def test_a_number_that_is_none_becomes_unknown_and_never_0(unknown: float) -> None:
    result = from_json(ItemResult, to_json(ItemResult("item", unknown)))
    assert result.score is None
    verdict = Verdict("maths", "undecided", 3, 0.05, None, lower=unknown, interval=(unknown, 0.5))
    assert to_json(verdict)["interval"] == [None, 0.5]
    assert from_json(Verdict, to_json(verdict)).lower is None
    assert to_json({"nested": [[unknown], (unknown,)]}) == {"nested": [[None], [None]]}


def test_json_data_is_plain() -> None:
    row = Row("id", "source", (Message("user", "hi"), Message("assistant", "ho", trained=True)))
    assert to_json(row)["messages"][1] == {"role": "assistant", "content": "ho", "trained": True}
    assert to_json({3: (row,)})["3"][0]["id"] == "id"


def test_a_key_of_a_newer_version_is_passed_over_at_any_depth() -> None:
    message = {"role": "user", "content": "hi", "colour": "red"}
    row = from_json(Row, {"id": "id", "source": "s", "messages": [message], "size": 3})
    assert row.messages == (Message("user", "hi"),)


def test_a_missing_field_is_refused() -> None:
    with pytest.raises(TypeError, match="content"):
        from_json(Message, {"role": "user"})


def test_what_a_newer_version_leaves_out_has_its_default() -> None:
    least = {f.name: v for f in dataclasses.fields(Certificate) if (v := MINIMAL.get(f.name)) is not None}
    certificate = from_json(Certificate, least)
    assert (certificate.path, certificate.certified_a, certificate.item_seeds) == ((), 0.0, {})
    assert isinstance(certificate.verdicts[0], Verdict)


MINIMAL: dict[str, Any] = {
    "model_hash": "m",
    "base_hash": "b",
    "certified": False,
    "alpha": 0.05,
    "looks": 1,
    "chosen_step": 3,
    "chosen_by": "the best",
    "domain": {"capability": "domain", "outcome": "gained", "n": 4, "alpha": 0.05, "margin": None},
    "verdicts": [{"capability": "maths", "outcome": "kept", "n": 4, "alpha": 0.05, "margin": 0.02}],
}


def test_the_mean_leaves_missing_scores_out() -> None:
    assert sheet(1.0, None, 0.0, math.nan).mean == 0.5
    assert sheet(0.0, 0.0).mean == 0.0


@pytest.mark.parametrize("scores", [(), (None, None), (math.nan,)])
def test_the_mean_of_nothing_is_unknown(scores: tuple[float | None, ...]) -> None:
    assert sheet(*scores).mean is None


@given(st.lists(st.none() | st.floats(0, 1), min_size=1))
def test_the_mean_lies_among_the_scores(scores: list[float | None]) -> None:
    known = [score for score in scores if score is not None]
    mean = sheet(*scores).mean
    if not known:
        assert mean is None
    else:
        assert mean is not None
        assert min(known) - 1e-12 <= mean <= max(known) + 1e-12


def test_records_import_nothing_heavy() -> None:
    code = "import sys, forgetless.records; print(*(m for m in sys.modules if m.startswith('forgetless.')))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert loaded == ["forgetless.records"]


def test_what_a_message_has_gained_is_written_only_where_it_is_set() -> None:
    plain = Message("user", "hi")
    assert to_json(plain) == {"role": "user", "content": "hi", "trained": False}
    rich = Message(
        "assistant",
        "",
        True,
        reasoning="hm",
        tool_calls=(ToolCall("f", "{}", "1"),),
        tools=("{}",),
        enable_thinking=False,
    )
    assert from_json(Message, json.loads(json.dumps(to_json(rich)))) == rich
    assert from_json(Message, to_json(plain)) == plain
    assert len({rich, plain}) == 2
