"""Documents that are encoded when they are drawn: what is known before, what is found then, and what is told."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

import numpy as np
import pytest

from forgetless.mixture import MixtureStream, StreamSpec
from forgetless.recipe import Recipe
from forgetless.records import Message, Row
from forgetless.sources import as_rows
from forgetless.tokens import ChatFormat, Encoded, TokenReject
from forgetless.training import Blend, blend
from forgetless.training.documents import EncodedRows, _standard_error, measure_rows
from training_kit import SETTINGS, tiny_tokenizer

FORMAT = ChatFormat(tiny_tokenizer())
SHORT = SETTINGS.model_copy(update={"max_length_tokens": 24})


def row(number: int, words: int) -> Row:
    said = " ".join(f"w{(number + i) % 50}" for i in range(words))
    return Row(f"row-{number}", "bank", (Message("user", said), Message("assistant", f"w{number % 50}", trained=True)))


@pytest.fixture
def sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty rows are many, and twenty of them a sample."""
    monkeypatch.setattr("forgetless.training.documents.MOST_MEASURED", 50)
    monkeypatch.setattr("forgetless.training.documents.SAMPLE_ROWS", 20)


def lengths_of(n: int = 200) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 12, n)


def blended(rows: list[Row], seed: int = 0) -> Blend:
    recipe = Recipe.model_validate(
        {
            "name": "test",
            "seed": seed,
            "model": {"path": "model"},
            "sources": {"bank": {"kind": "domain", "share": 1.0, "files": ["x.jsonl"]}},
            "training": {"max_length_tokens": 24, "batch_rows": 2, "epochs": 2},
        }
    )
    return blend({"bank": rows}, (), FORMAT, recipe=recipe)


def test_what_was_measured_is_at_hand_when_it_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row(i, 40 if i in (0, 7) else 3 + i % 5) for i in range(20)]
    usable = [r for i, r in enumerate(rows) if i not in (0, 7)]
    fresh = EncodedRows(as_rows(usable), FORMAT, SHORT)
    wanted = [fresh[i] for i in range(18)]
    documents = measure_rows(as_rows(rows), FORMAT, SHORT).documents
    monkeypatch.setattr(EncodedRows, "encode", lambda *_: pytest.fail("encoded a second time"))
    assert [documents[i] for i in range(18)] == wanted


def test_rows_that_are_few_are_all_measured() -> None:
    rows = as_rows([row(i, int(n)) for i, n in enumerate(lengths_of(30))] + [row(99, 40)])
    measured = measure_rows(rows, FORMAT, SHORT)
    assert len(measured.documents) == 30
    assert [len(measured.documents[i].input_ids) for i in range(30)] == measured.lengths.tolist()
    assert (measured.tokens, measured.tokens_error) == (measured.lengths.sum(), 0)
    assert (measured.account.sampled_from, len(measured.rejects)) == (None, 1)


@pytest.mark.usefixtures("sampled")
def test_of_many_rows_a_sample_is_encoded_and_says_how_sure_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[Row] = []
    whole = ChatFormat.encode_row
    monkeypatch.setattr(ChatFormat, "encode_row", lambda chat, r: (encoded.append(r), whole(chat, r))[1])
    rows = as_rows([row(i, int(n)) for i, n in enumerate(lengths_of())])
    measured = measure_rows(rows, FORMAT, SHORT)
    assert len(encoded) == len(measured.lengths) == measured.account.rows == 20
    assert measured.account.sampled_from == 200
    true = sum(sum(measured.documents.lengths(i)) for i in range(200))
    assert 0 < measured.tokens_error < 0.2 * true
    assert abs(measured.tokens - true) < 3 * measured.tokens_error


def test_the_standard_error_is_what_many_samples_scatter_by() -> None:
    draw, tokens = np.random.default_rng(0), np.random.default_rng(1).exponential(50.0, 300)
    samples = [draw.choice(tokens, 100, replace=False) for _ in range(2000)]
    scatter = np.std([3.0 * sample.sum() for sample in samples])
    assert np.mean([_standard_error(sample, of=300) for sample in samples]) == pytest.approx(scatter, rel=0.05)
    assert _standard_error(tokens, of=300) == 0.0


@pytest.mark.usefixtures("sampled")
def test_a_row_that_was_not_measured_changes_the_fingerprint_too() -> None:
    rows = [row(i, 3) for i in range(100)]
    sample = set(as_rows(rows).sample(20).tolist())
    other = next(i for i in range(100) if i not in sample)
    changed = [dataclasses.replace(r, id="another") if i == other else r for i, r in enumerate(rows)]
    assert sample == set(as_rows(changed).sample(20).tolist())
    assert blended(rows).stream.fingerprint == blended(list(rows)).stream.fingerprint
    assert blended(rows).stream.fingerprint != blended(changed).stream.fingerprint


def drawn(stream: MixtureStream, batches: int) -> list[list[list[tuple[int, int]]]]:
    return [stream.next_batch() for _ in range(batches)]


@pytest.mark.usefixtures("sampled")
def test_rows_of_no_use_are_told_and_counted_when_they_are_drawn() -> None:
    rows = [row(i, 40 if i % 5 == 0 else 3) for i in range(200)]
    mixed, told = blended(rows), list[tuple[str, TokenReject]]()
    mixed.tell_left_out(lambda source, reject: told.append((source, reject)))
    known = {reject.row_id for reject in mixed.rejects["bank"]}
    assert 0 < len(known) < 20
    while mixed.stream.passes()["bank"] < 1.5:
        for packed in mixed.stream.next_batch():
            assert sum(len(mixed.documents[s][d].input_ids) for s, d in packed) <= 24
    found = {reject.row_id for _, reject in told}
    assert {source for source, _ in told} == {"bank"}
    assert known | found == {f"row-{i}" for i in range(0, 200, 5)}
    assert not known & found
    assert mixed.stream.left_out() == {"bank": len(found)}


@pytest.mark.usefixtures("sampled")
@pytest.mark.parametrize("stop", [1, 7, 40])
def test_a_stream_that_learns_its_lengths_is_resumed_exactly(stop: int) -> None:
    rows = [row(i, 40 if i % 7 == 0 else int(n)) for i, n in enumerate(lengths_of())]
    whole, cut = blended(rows).stream, blended(rows).stream
    assert drawn(whole, stop) == drawn(cut, stop)
    resumed = blended(rows).stream
    resumed.load_state_dict(json.loads(json.dumps(cut.state_dict())))
    assert drawn(whole, 60) == drawn(resumed, 60)
    assert whole.state_dict() == resumed.state_dict()


def test_what_is_measured_does_not_change_what_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row(i, int(n)) for i, n in enumerate(lengths_of())]
    exact = blended(rows)
    monkeypatch.setattr("forgetless.training.documents.MOST_MEASURED", 50)
    monkeypatch.setattr("forgetless.training.documents.SAMPLE_ROWS", 150)
    sample = blended(rows)
    assert sample.accounts["bank"].sampled_from == 200
    assert drawn(exact.stream, 20) == drawn(sample.stream, 20)
    assert sample.plan.steps == pytest.approx(exact.plan.steps, rel=0.1)


SPLITTING = (
    "{% for m in messages %}<|{{ m.role }}|> {{ m.content if loop.last else m.content.split('~')[-1] }} <|end|> "
    "{% endfor %}{% if add_generation_prompt %}<|assistant|> {% endif %}"
)


def test_every_document_of_a_split_row_is_drawn_once_a_pass() -> None:
    turns = [Message("user", "w5"), Message("assistant", "w6 ~ w7", trained=True)] * 2
    rows = [Row(f"r{n}", "bank", tuple(turns) if n % 2 else tuple(turns[:2])) for n in range(20)]
    measured = measure_rows(as_rows(rows), ChatFormat(tiny_tokenizer(), template=SPLITTING), SHORT)
    assert (measured.account.documents, measured.account.split_rows) == (30, 10)
    spec = StreamSpec("bank", "domain", 1.0, measured.documents, measured.lengths, measured.tokens, "f")
    stream = MixtureStream([spec], seed=0, bin_tokens=24, bins_per_batch=2)
    seen: list[int] = []
    while len(seen) < 30:
        seen += [document for packed in stream.next_batch() for _, document in packed]
    assert sorted(seen[:30])[:20] == list(range(20))
    assert len(set(seen[:30])) == 30
    second = measured.documents[20 + 1]
    assert (second.row_id, second.input_ids != measured.documents[1].input_ids) == ("r1", True)


def counting(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    calls: list[int] = []
    whole = EncodedRows.encode
    monkeypatch.setattr(EncodedRows, "encode", lambda held, r: (calls.append(r), whole(held, r))[1])
    return lambda: len(calls)


def test_only_the_last_documents_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = EncodedRows(as_rows([row(i, 3) for i in range(100)]), FORMAT, SHORT)
    encoded = counting(monkeypatch)
    assert isinstance(documents[5], Encoded)
    assert documents[5] is documents[5]
    assert documents.lengths(5) == [len(documents[5].input_ids)]
    assert encoded() == 1
    monkeypatch.setattr("forgetless.training.documents._HELD_TOKENS", 3 * len(documents[5].input_ids))
    for number in (6, 7, 5, 8):
        documents.of_row(number)
    assert encoded() == 4
    documents.of_row(5)
    assert encoded() == 4
    documents.of_row(6)
    assert encoded() == 5
