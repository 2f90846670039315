"""What holds for any mixture: shares, packing, no document lost, exact continuation."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from forgetless.mixture import MixtureStream, StreamSpec

BIN = 64


@st.composite
def mixtures(draw: st.DrawFn) -> list[StreamSpec]:
    lengths = st.lists(st.integers(1, BIN), min_size=1, max_size=30)
    weights = draw(st.lists(st.integers(1, 50), min_size=1, max_size=4))
    return [
        StreamSpec.known(f"s{i}", "general", weight / sum(weights), np.array(draw(lengths), dtype=np.int64), f"f{i}")
        for i, weight in enumerate(weights)
    ]


@st.composite
def reweightings(draw: st.DrawFn, names: list[str]) -> dict[str, float]:
    weights = draw(st.lists(st.integers(0, 9), min_size=len(names), max_size=len(names)).filter(any))
    return {name: weight / sum(weights) for name, weight in zip(names, weights, strict=True)}


def build(specs: list[StreamSpec], seed: int, bins: int) -> MixtureStream:
    return MixtureStream(specs, seed=seed, bin_tokens=BIN, bins_per_batch=bins)


@settings(max_examples=20, deadline=None)
@given(specs=mixtures(), seed=st.integers(0, 2**63), bins=st.integers(1, 5), data=st.data())
def test_bins_are_never_empty_nor_too_full_whatever_the_shares(
    specs: list[StreamSpec], seed: int, bins: int, data: st.DataObject
) -> None:
    stream = build(specs, seed, bins)
    for _ in range(12):
        batch = stream.next_batch()
        assert len(batch) == bins
        for packed in batch:
            assert 1 <= sum(int(specs[s].lengths[d]) for s, d in packed) <= BIN
            assert all(stream.shares()[specs[s].name] > 0 for s, _ in packed)
        stream.set_shares(data.draw(reweightings([spec.name for spec in specs])))


@settings(max_examples=20, deadline=None)
@given(specs=mixtures(), seed=st.integers(0, 2**63), bins=st.integers(1, 5))
def test_no_stream_strays_from_its_share_by_more_than_two_batches(
    specs: list[StreamSpec], seed: int, bins: int
) -> None:
    stream = build(specs, seed, bins)
    for _ in range(40):
        stream.next_batch()
        tokens = stream.tokens()
        total = sum(tokens.values())
        for spec in specs:
            assert abs(tokens[spec.name] - spec.share * total) <= 2 * bins * BIN


@settings(max_examples=20, deadline=None)
@given(specs=mixtures(), seed=st.integers(0, 2**63), bins=st.integers(1, 5))
def test_documents_of_a_stream_are_used_equally_often(specs: list[StreamSpec], seed: int, bins: int) -> None:
    stream = build(specs, seed, bins)
    used: Counter[tuple[int, int]] = Counter()
    for _ in range(25):
        used.update(pair for packed in stream.next_batch() for pair in packed)
    for index, spec in enumerate(specs):
        counts = [used[index, document] for document in range(len(spec.lengths))]
        assert max(counts) - min(counts) <= 2
        assert sum(c * int(n) for c, n in zip(counts, spec.lengths, strict=True)) == stream.tokens()[spec.name]


@settings(max_examples=20, deadline=None)
@given(specs=mixtures(), seed=st.integers(0, 2**63), stop=st.integers(0, 15), change=st.integers(0, 15), data=st.data())
def test_a_run_cut_anywhere_continues_exactly(
    specs: list[StreamSpec], seed: int, stop: int, change: int, data: st.DataObject
) -> None:
    shares = data.draw(reweightings([spec.name for spec in specs]))
    whole, cut = build(specs, seed, 3), build(specs, seed, 3)
    for batch in range(30):
        if batch == change:
            whole.set_shares(shares)
            cut.set_shares(shares)
        if batch == stop:
            saved = json.loads(json.dumps(cut.state_dict()))
            cut = build(specs, seed, 3)
            cut.load_state_dict(saved)
        assert whole.next_batch() == cut.next_batch()
    assert whole.state_dict() == cut.state_dict()
