"""What sequences begin alike with: found as by the obvious way, and only where it pays."""

from __future__ import annotations

import random

import pytest

from forgetless.engines.batches import lightly_padded
from forgetless.engines.prefixes import PrefixGroup, prefix_groups


def grouped(sequences: list[list[int]], pass_tokens: int) -> dict[int, list[list[int]]]:
    found: dict[int, list[list[int]]] = {}
    for group in prefix_groups(sequences, pass_tokens=pass_tokens):
        found.setdefault(group.prefix, []).append(sorted(group.members))
    return {prefix: sorted(groups) for prefix, groups in found.items()}


def test_the_examples_of_each_subject_are_a_group():
    one, other = [1, 2, *[3] * 40], [1, 2, *[4] * 30]
    sequences = [[*one, i, 9] for i in range(5)] + [[*other, i] for i in range(4)] + [[7, 7], [1, 2, 8]]
    assert grouped(sequences, 10) == {42: [[0, 1, 2, 3, 4]], 32: [[5, 6, 7, 8]], 0: [[9, 10]]}


def test_what_all_share_is_read_once_and_what_some_share_besides():
    system, passage = [1] * 30, [2] * 50
    sequences = [[*system, i] for i in range(3, 9)] + [[*system, *passage, i] for i in range(3)]
    assert grouped(sequences, 8) == {30: [[0, 1, 2, 3, 4, 5]], 80: [[6, 7, 8]]}


def test_a_short_beginning_of_few_is_not_worth_a_pass():
    sequences = [[1, 2, 3, i] for i in range(5)]
    assert grouped(sequences, 5) == {3: [[0, 1, 2, 3, 4]]}
    assert grouped(sequences, 6) == {0: [[0, 1, 2, 3, 4]]}


def test_a_sequence_that_is_the_beginning_of_others_keeps_a_token_of_its_own():
    chain = [[5] * length for length in range(1, 1100)]
    groups = prefix_groups(chain, pass_tokens=20)
    assert sorted(i for group in groups for i in group.members) == list(range(len(chain)))
    assert all(len(chain[i]) > group.prefix for group in groups for i in group.members)
    assert any(group.prefix for group in groups)
    assert prefix_groups([], pass_tokens=1) == []
    assert prefix_groups([[1]], pass_tokens=0) == [PrefixGroup(0, [0])]


@pytest.mark.parametrize("pass_tokens", [0, 3, 1000])
def test_members_begin_alike_and_each_stands_in_one_group(pass_tokens: int):
    rng = random.Random(pass_tokens)
    sequences = [list(s) for s in {tuple(rng.choices([1, 2], k=rng.randint(1, 12))) for _ in range(300)}]
    groups = prefix_groups(sequences, pass_tokens=pass_tokens)
    assert sorted(i for group in groups for i in group.members) == list(range(len(sequences)))
    for prefix, members in groups:
        assert len({tuple(sequences[i][:prefix]) for i in members}) == 1
        assert all(len(sequences[i]) > prefix for i in members)
    read = sum(group.prefix + sum(len(sequences[i]) - group.prefix for i in group.members) for group in groups)
    passes = 2 * pass_tokens * sum(group.prefix > 0 for group in groups)
    assert read + passes <= sum(map(len, sequences))


def test_rows_are_cut_where_padding_would_cost_more_than_a_pass():
    lengths = [9, 1, 9, 8, 5, 5, 1]
    batches = list(lightly_padded(lengths, int, fits=lambda rows: True, pass_tokens=3))
    assert batches == [[9, 9, 8], [5, 5], [1, 1]]
    assert [len(b) for b in lightly_padded(lengths, int, fits=lambda rows: True, pass_tokens=100)] == [7]
    assert [len(b) for b in lightly_padded(lengths, int, fits=lambda rows: False, pass_tokens=100)] == [1] * 7
