"""Rows to a plan and a stream."""

from __future__ import annotations

import pytest

from forgetless.errors import DataError
from forgetless.recipe import Recipe
from forgetless.records import Message, Row
from forgetless.tokens import ChatFormat
from forgetless.training import blend
from training_kit import tiny_tokenizer


def row(number: int, words: int, source: str) -> Row:
    said = " ".join(f"w{(number + i) % 50}" for i in range(words))
    return Row(f"{source}-{number}", source, (Message("user", said), Message("assistant", f"w{number}", trained=True)))


def recipe(**training: object) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "test",
            "model": {"path": "model"},
            "sources": {"bank": {"kind": "domain", "share": 0.6, "files": ["x.jsonl"]}},
            "replay": {"share": 0.4, "rows": 10, "max_prompt_tokens": 16, "max_new_tokens": 8},
            "training": {"max_length_tokens": 24, "batch_rows": 2, "steps": 5, **training},
        }
    )


def test_streams_follow_the_recipe_and_rejects_are_named() -> None:
    rows = {"bank": [row(i, 3, "bank") for i in range(12)] + [row(99, 40, "bank")]}
    replay = [row(i, 4, "replay") for i in range(10)]
    blended = blend(rows, replay, ChatFormat(tiny_tokenizer()), recipe=recipe())
    assert blended.kinds == ("domain", "replay")
    assert [share.source for share in blended.plan.shares] == ["bank", "replay"]
    assert [len(documents) for documents in blended.documents] == [12, 10]
    assert [reject.row_id for reject in blended.rejects["bank"]] == ["bank-99"]
    assert blended.rejects["replay"] == ()
    assert blended.plan.steps == 5
    lengths = [len(blended.documents[s][d].input_ids) for s, d in blended.stream.next_batch()[0]]
    assert 0 < sum(lengths) <= 24


def test_replay_rows_of_a_kind_are_a_stream_with_their_part_of_the_tokens() -> None:
    rows = {"bank": [row(i, 3, "bank") for i in range(12)]}
    replay = [row(i, 4 if i < 4 else 9, "replay") for i in range(10)]
    mixed = blend(rows, replay, ChatFormat(tiny_tokenizer()), recipe=recipe(), parts={"maths": [0, 1, 2], "x": [3, 9]})
    assert [spec.name for spec in mixed.stream.specs] == ["bank", "replay", "replay/maths", "replay/x"]
    assert mixed.kinds == ("domain", "replay", "replay", "replay")
    _, rest, maths, other = mixed.stream.specs
    assert [len(documents) for documents in mixed.documents] == [12, 5, 3, 2]
    assert maths.share == pytest.approx(0.4 * maths.tokens / (rest.tokens + maths.tokens + other.tokens))
    assert rest.share + maths.share + other.share == pytest.approx(0.4)
    assert len({round(share.passes, 9) for share in mixed.plan.shares if share.kind == "replay"}) == 1


def test_where_every_replay_row_is_of_a_kind_there_is_no_rest() -> None:
    rows = {"bank": [row(i, 3, "bank") for i in range(12)]}
    replay = [row(i, 4, "replay") for i in range(10)]
    mixed = blend(rows, replay, ChatFormat(tiny_tokenizer()), recipe=recipe(), parts={"maths": list(range(10))})
    assert mixed.stream.shares() == {"bank": 0.6, "replay/maths": 0.4}


def test_the_fingerprint_follows_content_not_only_lengths() -> None:
    replay = [row(i, 4, "replay") for i in range(10)]

    def fingerprint(first: int) -> str:
        rows = {"bank": [row(i, 3, "bank") for i in range(first, first + 12)]}
        return blend(rows, replay, ChatFormat(tiny_tokenizer()), recipe=recipe()).stream.fingerprint

    assert fingerprint(0) == fingerprint(0)
    assert fingerprint(0) != fingerprint(1)


def test_what_became_of_the_rows_is_told_by_source() -> None:
    rows = {"bank": [row(i, 3, "bank") for i in range(12)] + [row(99, 40, "bank")]}
    replay = [row(i, 4, "replay") for i in range(10)]
    told = blend(rows, replay, ChatFormat(tiny_tokenizer()), recipe=recipe()).accounts
    assert (told["bank"].rows, told["replay"].rows) == (12, 10)
    assert told["bank"].rejected == {"is longer than the 24 tokens of `training.max_length_tokens`": 1}
    cut = blend(rows, replay, ChatFormat(tiny_tokenizer()), recipe=recipe(long_rows="cut_prompt"))
    assert (cut.accounts["bank"].rows, cut.accounts["bank"].cut_rows, cut.rejects["bank"]) == (13, 1, ())
    assert max(len(document.input_ids) for document in cut.documents[0]) == 24


def test_a_source_of_which_nothing_can_be_trained_says_why() -> None:
    rows = {"bank": [row(i, 40, "bank") for i in range(3)]}
    replay = [row(i, 4, "replay") for i in range(10)]
    with pytest.raises(DataError, match=r"3: is longer than the 24 tokens") as caught:
        blend(rows, replay, ChatFormat(tiny_tokenizer()), recipe=recipe())
    assert caught.value.field == "sources.bank"


def test_raw_text_may_be_replayed() -> None:
    rows = {"bank": [row(i, 3, "bank") for i in range(12)]}
    replay = [Row(f"t{i}", "replay", text=f"w{i} w{i + 1} w{i + 2}") for i in range(10)]
    blended = blend(rows, replay, ChatFormat(tiny_tokenizer()), recipe=recipe())
    assert [document.trained_tokens for document in blended.documents[1]] == [2] * 10


def test_of_many_stand_ins_a_sample_is_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forgetless.training.documents.SAMPLE_ROWS", 30)
    rows = {"bank": [row(i, 3, "bank") for i in range(60)]}
    replay = [row(i, 4, "replay") for i in range(60)]
    chat_format = ChatFormat(tiny_tokenizer())
    told = blend(rows, replay, chat_format, recipe=recipe(), stand_ins=True).accounts
    assert (told["bank"].sampled_from, told["replay"].sampled_from) == (None, 60)
    assert blend(rows, replay, chat_format, recipe=recipe()).accounts["replay"].sampled_from is None
