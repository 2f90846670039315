"""Batches from several streams: shares, packing, order, resume."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence

import numpy as np
import pytest

from forgetless.errors import DataError, RunFolderError
from forgetless.mixture import Bin, MixtureStream, StreamSpec
from forgetless.records import StreamKind


def spec(name: str, share: float, lengths: Sequence[int] | np.ndarray, kind: StreamKind = "domain") -> StreamSpec:
    return StreamSpec.known(name, kind, share, np.asarray(lengths, dtype=np.int64), fingerprint=f"content of {name}")


def uniform(low: int, high: int, n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(low, high, n)


def stream(*specs: StreamSpec, seed: int = 0, bin_tokens: int = 512, bins: int = 8) -> MixtureStream:
    return MixtureStream(specs, seed=seed, bin_tokens=bin_tokens, bins_per_batch=bins)


def documents(batch: list[Bin]) -> list[tuple[int, int]]:
    return [pair for packed in batch for pair in packed]


def two(share: float = 0.8) -> MixtureStream:
    return stream(
        spec("domain", share, uniform(5, 60, 400)), spec("general", 1 - share, uniform(20, 500, 300), "general")
    )


def test_bins_hold_at_most_their_tokens_and_none_is_empty() -> None:
    mixture = two()
    for _ in range(50):
        batch = mixture.next_batch()
        assert len(batch) == 8
        for packed in batch:
            assert 0 < sum(int(mixture.specs[s].lengths[d]) for s, d in packed) <= 512


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_a_share_is_a_share_of_the_total(share: float) -> None:
    mixture = two(share)
    for _ in range(200):
        mixture.next_batch()
    realised = mixture.realised()
    assert realised["domain"] == pytest.approx(share, abs=0.005)
    assert abs(realised["domain"] - share / (1 + share)) > 0.001


def test_shares_hold_in_tokens_for_wildly_different_lengths() -> None:
    mixture = stream(
        spec("short", 0.5, uniform(1, 4, 5000)),
        spec("long", 0.3, uniform(400, 513, 50), "general"),
        spec("one", 0.01, [512], "replay"),
        spec("mixed", 0.19, uniform(1, 513, 1000), "text"),
        bins=4,
    )
    for _ in range(200):
        mixture.next_batch()
    for name, share in mixture.shares().items():
        assert mixture.realised()[name] == pytest.approx(share, rel=0.01), name


def test_gaps_that_long_documents_leave_do_not_decide_the_share() -> None:
    mixture = stream(spec("long", 0.995, np.full(100, 500)), spec("short", 0.005, np.full(100, 10), "replay"))
    for _ in range(200):
        mixture.next_batch()
    # Twelve tokens are free in every bin: filled without measure, they would make 2 % of all tokens.
    assert mixture.realised()["short"] == pytest.approx(0.005, rel=0.01)


def test_short_documents_fill_their_bins() -> None:
    mixture = two()
    for _ in range(100):
        mixture.next_batch()
    assert sum(mixture.tokens().values()) > 0.98 * 100 * 8 * 512


@pytest.mark.parametrize("bins", [1, 8])
def test_documents_of_every_length_still_fill_nine_tenths(bins: int) -> None:
    mixture = stream(spec("domain", 1.0, uniform(10, 513, 2000)), bins=bins)
    for _ in range(200):
        mixture.next_batch()
    assert sum(mixture.tokens().values()) > 0.9 * 200 * bins * 512


def test_every_pass_uses_every_document_once_in_a_new_order() -> None:
    mixture = stream(spec("domain", 1.0, np.full(16, 512)))
    passes = [[d for _ in range(2) for _, d in documents(mixture.next_batch())] for _ in range(3)]
    assert [sorted(order) for order in passes] == [list(range(16))] * 3
    assert passes[0] != passes[1] != passes[2] != passes[0]


def test_streams_are_not_interleaved_in_the_same_order_every_pass() -> None:
    mixture = stream(spec("a", 0.5, uniform(60, 70, 64)), spec("b", 0.5, uniform(30, 40, 128), "general"))
    while mixture.passes()["a"] < 1:
        mixture.next_batch()
    first = [documents(mixture.next_batch()) for _ in range(4)]
    while mixture.passes()["a"] < 2:
        mixture.next_batch()
    assert first != [documents(mixture.next_batch()) for _ in range(4)]


def test_the_seed_decides_everything() -> None:
    def run(seed: int) -> list[list[Bin]]:
        mixture = stream(spec("a", 0.4, uniform(5, 60, 90)), spec("b", 0.6, uniform(5, 60, 90), "text"), seed=seed)
        return [mixture.next_batch() for _ in range(20)]

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_new_shares_hold_from_the_next_batch() -> None:
    mixture = two(0.5)
    for _ in range(20):
        mixture.next_batch()
    mixture.set_shares({"domain": 1.0, "general": 0.0})
    assert {s for s, _ in documents(mixture.next_batch())} == {0}
    mixture.set_shares({"domain": 0.0, "general": 1.0})
    assert {s for s, _ in documents(mixture.next_batch())} == {1}


def test_new_shares_are_reached() -> None:
    mixture = two(0.9)
    for _ in range(50):
        mixture.next_batch()
    before = mixture.tokens()
    mixture.set_shares({"domain": 0.3, "general": 0.7})
    for _ in range(200):
        mixture.next_batch()
    since = {name: tokens - before[name] for name, tokens in mixture.tokens().items()}
    assert since["domain"] / sum(since.values()) == pytest.approx(0.3, abs=0.003)


def test_setting_shares_again_and_again_does_not_bend_them() -> None:
    mixture = stream(spec("long", 0.97, np.full(100, 500)), spec("short", 0.03, np.full(100, 10), "replay"))
    for batch in range(400):
        mixture.set_shares({"long": 0.97, "short": 0.03} if batch % 2 else {"long": 0.99, "short": 0.01})
        mixture.next_batch()
    assert mixture.realised()["short"] == pytest.approx(0.02, rel=0.02)


@pytest.mark.parametrize(
    "shares",
    [{"domain": 1.0}, {"domain": 0.5, "general": 0.6}, {"domain": 1.5, "general": -0.5}, {"a": 1, "general": 0}],
)
def test_shares_that_are_none_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="shares"):
        two().set_shares(shares)


def test_a_resumed_stream_goes_on_exactly_with_its_shares_and_those_who_wait() -> None:
    mixture, batches = two(0.6), 0
    for _ in range(30):
        mixture.next_batch()
    mixture.set_shares({"domain": 0.35, "general": 0.65})
    # Stop where documents wait for the next batch, so that forgetting them would show.
    while batches < 5 or not mixture.state_dict()["streams"]["general"]["waiting"]:
        mixture.next_batch()
        batches += 1
    saved = json.loads(json.dumps(mixture.state_dict()))
    other = two(0.6)
    other.load_state_dict(saved)
    assert other.shares() == mixture.shares()
    for batch in range(100):
        if batch == 40:
            mixture.set_shares({"domain": 0.1, "general": 0.9})
            other.set_shares({"domain": 0.1, "general": 0.9})
        assert other.next_batch() == mixture.next_batch()
    assert other.state_dict() == mixture.state_dict()
    assert other.realised() == mixture.realised()


def test_multipliers_are_part_of_the_state_and_of_nothing_else() -> None:
    mixture, other = two(), two()
    assert mixture.multipliers() == {"domain": 1.0, "general": 1.0}
    mixture.set_multipliers({"general": 4.0})
    assert [mixture.next_batch() for _ in range(5)] == [other.next_batch() for _ in range(5)]
    other.load_state_dict(json.loads(json.dumps(mixture.state_dict())))
    assert other.multipliers() == {"domain": 1.0, "general": 4.0}


@pytest.mark.parametrize("multipliers", [{"general": 0.0}, {"general": -1.0}, {"other": 2.0}, {"general": math.nan}])
def test_a_multiplier_is_above_0_and_of_a_stream_that_there_is(multipliers: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="above 0"):
        two().set_multipliers(multipliers)


def test_the_state_is_a_picture_not_a_view() -> None:
    mixture = two()
    saved = mixture.state_dict()
    text = json.dumps(saved)
    mixture.next_batch()
    assert json.dumps(saved) == text
    assert json.dumps(mixture.state_dict()) != text


@pytest.mark.parametrize(
    "other",
    [
        stream(spec("a", 1.0, [5, 6]), seed=1),
        stream(spec("a", 1.0, [5, 6]), bin_tokens=64),
        stream(spec("a", 1.0, [5, 6]), bins=2),
        stream(spec("a", 1.0, [6, 5])),
        stream(spec("b", 1.0, [5, 6])),
        stream(StreamSpec.known("a", "domain", 1.0, np.array([5, 6]), fingerprint="other rows")),
    ],
)
def test_a_run_is_not_resumed_on_other_data(other: MixtureStream) -> None:
    mixture = stream(spec("a", 1.0, [5, 6]))
    assert mixture.fingerprint == stream(spec("a", 1.0, np.array([5, 6], dtype=np.int32))).fingerprint
    assert mixture.fingerprint != other.fingerprint
    with pytest.raises(RunFolderError, match="resumed"):
        mixture.load_state_dict(other.state_dict())


def test_before_the_first_batch_no_share_is_realised() -> None:
    mixture = two()
    assert mixture.realised() == {}
    assert mixture.passes() == {"domain": 0.0, "general": 0.0}


def test_passes_count_tokens() -> None:
    mixture = stream(spec("a", 1.0, np.full(16, 512)))
    mixture.next_batch()
    assert mixture.passes() == {"a": 0.5}
    assert mixture.tokens() == {"a": 8 * 512}


@pytest.mark.parametrize(
    ("lengths", "rule"), [([], "no row is left"), ([5, 600], "1 to 512 tokens"), ([0, 3], "1 to 512")]
)
def test_documents_that_cannot_be_used_are_refused(lengths: list[int], rule: str) -> None:
    with pytest.raises(DataError, match=rule) as caught:
        stream(spec("banking", 1.0, lengths))
    assert caught.value.field == "sources.banking"


def test_names_are_unique() -> None:
    with pytest.raises(ValueError, match="unique"):
        stream(spec("a", 0.5, [1]), spec("a", 0.5, [1]))


def test_a_large_stream_costs_no_more_than_a_small_one() -> None:
    def seconds(n: int) -> float:
        mixture = stream(spec("a", 1.0, uniform(20, 60, n)))
        mixture.next_batch()
        start = time.perf_counter()
        for _ in range(30):
            mixture.next_batch()
        return time.perf_counter() - start

    assert min(seconds(300_000) for _ in range(3)) < 5 * min(seconds(30_000) for _ in range(3))
    assert len(json.dumps(stream(spec("a", 1.0, uniform(20, 60, 300_000))).state_dict())) < 1000
