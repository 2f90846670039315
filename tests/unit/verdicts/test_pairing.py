"""Pairing: alignment, missing answers, groups."""

from __future__ import annotations

import numpy as np
import pytest
from verdict_results import results

from forgetless.errors import TaskError
from forgetless.records import ItemResult
from forgetless.verdicts import pair, subject_estimates


def test_items_are_aligned_by_id_in_the_order_of_the_base():
    base = results([1.0, 0.0, 1.0])
    tuned = results([0.0, 1.0, 1.0])[::-1]
    paired = pair(base, tuned)
    assert paired.units == ("i0", "i1", "i2")
    assert paired.for_kept.tolist() == [-1.0, 1.0, 0.0]
    assert (paired.losses, paired.gains) == (1, 1)
    assert paired.binary


@pytest.mark.parametrize("absent", [None, float("nan")])
def test_missing_tuned_answer_is_the_worst_case_for_kept_and_the_best_for_dropped(absent):
    paired = pair(results([1.0, 0.0, 0.5]), results([absent, absent, 0.5]))
    assert paired.for_kept.tolist() == [-1.0, 0.0, 0.0]
    assert paired.for_dropped.tolist() == [0.0, 1.0, 0.0]
    assert (paired.missing, paired.items) == (2, 3)
    assert (paired.losses, paired.gains) == (0, 0)
    assert paired.estimate == 0.0


def test_item_without_a_tuned_result_is_missing_and_not_zero():
    paired = pair(results([1.0, 1.0]), results([1.0]))
    assert paired.missing == 1
    assert paired.tuned_mean == 1.0


@pytest.mark.parametrize("absent", [None, float("nan")])
def test_items_that_the_base_lacks_are_left_out(absent):
    paired = pair(results([absent, 1.0]), results([1.0, 1.0]))
    assert (paired.n, paired.left_out, paired.missing) == (1, 1, 0)


def test_symmetric_pairing_counts_a_missing_base_answer_both_ways():
    paired = pair(results([None, 1.0]), results([0.5, 1.0, 0.25]), symmetric=True)
    assert paired.for_kept.tolist() == [-0.5, 0.0, -0.75]
    assert paired.for_dropped.tolist() == [0.5, 0.0, 0.25]
    assert paired.missing == 2


def test_group_is_one_unit_with_the_mean_of_its_items_and_its_share_as_weight():
    groups = ["a", "b", "a", "a", "c", "c"]
    paired = pair(results([1, 1, 1, 0, 0, 0], groups=groups), results([0, 1, 0, 1, 1, 0], groups=groups))
    assert paired.units == ("a", "b", "c")
    assert paired.for_kept == pytest.approx([-1 / 3, 0.0, 0.5])
    assert paired.weights == pytest.approx([1.0, 1 / 3, 2 / 3])
    assert np.average(paired.for_kept, weights=paired.weights) == pytest.approx(paired.estimate)
    assert paired.weighted_for_dropped == pytest.approx([-1 / 3, 0.0, 1 / 3])
    assert not paired.binary


def test_largest_group_is_fixed_in_advance():
    groups = ["a", "a", "b"]
    assert pair(results([1, 1, 1], groups=groups), results([1, 1, 1]), largest_group=4).weights.tolist() == [0.5, 0.25]
    with pytest.raises(TaskError, match="largest_group"):
        pair(results([1, 1, 1], groups=groups), results([1, 1, 1]), largest_group=1)


def test_fractional_scores_are_not_binary():
    assert not pair(results([0.5]), results([0.5])).binary


def test_discordance_is_the_mean_square():
    assert pair(results([1, 1, 0, 0]), results([0, 1, 1, 0])).discordance == 0.5
    assert pair([], []).discordance == 0.0


def test_nothing_to_pair_has_no_means():
    paired = pair([], [])
    assert paired.n == 0
    assert paired.estimate is None


def test_id_that_occurs_twice_is_refused():
    with pytest.raises(TaskError, match=r"base results.*i0"):
        pair(results([1.0]) + results([0.0]), results([1.0]))
    with pytest.raises(TaskError, match="tuned results"):
        pair(results([1.0]), results([1.0]) + results([0.0]))


@pytest.mark.parametrize("score", [-0.1, 1.5, 15.0, float("inf")])
def test_score_outside_zero_to_one_is_refused(score):
    with pytest.raises(TaskError, match="lies in"):
        pair(results([1.0]), results([score]))


def test_subjects_are_shown_apart():
    base = [ItemResult(f"i{i}", 1.0, subject="law" if i < 3 else "art") for i in range(5)]
    tuned = [ItemResult(f"i{i}", float(i > 0)) for i in range(5)]
    art, law = subject_estimates(base, tuned)
    assert (art.subject, art.n, art.losses) == ("art", 2, 0)
    assert (law.subject, law.n, law.losses) == ("law", 3, 1)
    assert law.tuned_score == pytest.approx(2 / 3)
