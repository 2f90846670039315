"""Bets against a slow, obvious bettor; reference points; level by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq

from forgetless.verdicts.betting import BettingTest, bets_for, lower_bound, p_value, upper_bound


def slow_wealth(differences, mu0, bets, weights=None):
    weights = [1.0] * len(differences) if weights is None else weights
    total = 0.0
    for u, share in zip(bets.sizes, np.exp(bets.log_shares), strict=True):
        stake = share
        for d, w in zip(differences, weights, strict=True):
            stake *= 1 - u * w + u * w * (1 + d) / (1 + mu0)
        total += stake
    return total


def first_rejection(test, differences):
    return int(np.argmax(test.path(differences) >= test.log_threshold)) + 1


def test_bets_are_six_geometric_ones_from_a_third_of_the_margin_to_one():
    bets = bets_for(0.03)
    assert bets.sizes[0] == pytest.approx(0.1)
    assert bets.sizes[-1] == pytest.approx(1.0)
    assert np.allclose(np.diff(np.log(bets.sizes), 2), 0)
    assert np.exp(bets.log_shares) == pytest.approx([1 / 6] * 6)
    assert bets_for(0.5).sizes[0] == pytest.approx(0.5)


def test_informed_bets_are_half_once_and_twice_the_best_one_and_never_exceed_one():
    bets = bets_for(0.02, 0.10)
    assert bets.sizes[:3] == pytest.approx([0.1, 0.2, 0.4])
    assert np.exp(bets.log_shares) == pytest.approx([0.2, 0.4, 0.2] + [0.2 / 6] * 6)
    assert bets_for(0.02, 0.0).sizes.max() == 1.0


def test_margin_outside_zero_to_one_is_refused():
    with pytest.raises(ValueError, match="margin"):
        bets_for(0.0)


def test_path_is_the_wealth_of_a_slow_bettor_after_each_item():
    differences = np.array([0.0, -1.0, 1.0, 0.25, -0.5, 1.0])
    weights = np.array([1.0, 0.5, 1.0, 0.25, 1.0, 0.75])
    test = BettingTest(-0.1, alpha=0.05, margin=0.1, discordance=0.2)
    slow = [slow_wealth(differences[:k], -0.1, bets_for(0.1, 0.2), weights[:k]) for k in range(1, 7)]
    assert np.exp(test.path(differences, weights)) == pytest.approx(slow)


def test_updating_in_blocks_is_the_same_as_updating_at_once():
    differences = np.random.default_rng(0).choice([-1.0, 0.0, 1.0], size=50)
    whole, parts = (BettingTest(-0.2, alpha=0.05, margin=0.2) for _ in range(2))
    whole.update(differences)
    for block in np.split(differences, [0, 7, 8, 30]):
        parts.update(block)
    assert parts.log_wealth == pytest.approx(whole.log_wealth)
    assert parts.p_value == pytest.approx(whole.p_value)


def test_rejection_is_remembered_when_the_wealth_falls_again():
    test = BettingTest(0.0, alpha=0.05, margin=0.3)
    test.update(np.ones(10))
    assert test.rejected
    test.update(-np.ones(50))
    assert test.log_wealth < 0
    assert test.rejected
    assert test.p_value < 0.05


@pytest.mark.parametrize(("discordance", "item"), [(None, 461), (0.01, 336)])
def test_zero_discordance_certifies_one_point_at_the_reference_item(discordance, item):
    test = BettingTest(-0.01, alpha=0.05, margin=0.01, discordance=discordance)
    assert first_rejection(test, np.zeros(1000)) == item


@pytest.mark.parametrize(
    ("margin", "pi", "informed", "expected"),
    [(0.01, 0.02, True, 1530), (0.01, 0.02, False, 1880), (0.02, 0.10, False, 1800)],
)
def test_mean_items_to_certify_are_near_the_reference_points(margin, pi, informed, expected):
    rng = np.random.default_rng(0)
    items = []
    for _ in range(100):
        differences = rng.choice([-1.0, 0.0, 1.0], p=[pi / 2, 1 - pi, pi / 2], size=8000)
        test = BettingTest(-margin, alpha=0.05, margin=margin, discordance=pi if informed else None)
        items.append(first_rejection(test, differences))
    assert np.mean(items) == pytest.approx(expected, rel=0.15)


def test_lower_bound_is_where_the_slow_wealth_crosses_one_over_alpha():
    differences = np.array([0.5, -0.25, 0.0, 0.0, 1.0, -1.0, 0.3, 0.1] * 5)
    root = brentq(lambda mu0: slow_wealth(differences, mu0, bets_for(0.1)) - 20, -0.99, differences.mean())
    assert lower_bound(differences, alpha=0.05, margin=0.1) == pytest.approx(root, abs=1e-8)


def test_weighted_bound_is_where_the_slow_weighted_wealth_crosses():
    rng = np.random.default_rng(3)
    differences, weights = rng.uniform(-1, 1, 40), rng.uniform(0.1, 1, 40)
    mean = np.average(differences, weights=weights)
    root = brentq(lambda mu0: slow_wealth(differences, mu0, bets_for(0.1), weights) - 20, -0.99, mean)
    assert lower_bound(differences, alpha=0.05, margin=0.1, weights=weights) == pytest.approx(root, abs=1e-8)


def test_bound_without_items_or_with_nothing_but_losses_is_the_whole_range():
    assert lower_bound(np.array([]), alpha=0.05, margin=0.02) == -1.0
    assert lower_bound(-np.ones(30), alpha=0.05, margin=0.02) == -1.0
    assert upper_bound(np.ones(30), alpha=0.05, margin=0.02) == 1.0


def test_p_value_is_the_least_alpha_at_which_the_upper_bound_lies_below():
    differences = np.array([-1.0] * 12 + [1.0] * 2 + [0.0] * 60)
    p = p_value(differences, margin=0.05)
    assert p < 1
    assert upper_bound(differences, alpha=p * 1.01, margin=0.05) < 0
    assert upper_bound(differences, alpha=p * 0.99, margin=0.05) >= 0
    assert p_value(-differences, margin=0.05) == 1.0
    assert p_value(np.array([]), margin=0.05) == 1.0


@pytest.mark.parametrize("assumed", [None, 0.1, 0.03, 0.3])
def test_false_rejections_at_the_boundary_stay_below_alpha_at_all_times(assumed):
    """A wrong discordance costs items, never validity."""
    rng, pi, margin = np.random.default_rng(11), 0.1, 0.05
    false = 0
    for _ in range(200):
        chances = [(pi + margin) / 2, 1 - pi, (pi - margin) / 2]
        test = BettingTest(-margin, alpha=0.05, margin=margin, discordance=assumed)
        test.update(rng.choice([-1.0, 0.0, 1.0], p=chances, size=1000))
        false += test.rejected
    assert false / 200 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)


def test_rare_total_failures_do_not_certify_a_continuous_score():
    """Where 1 % of the items fail totally, a normal bound on a few hundred of them is kept far too often."""
    rng, false, normal = np.random.default_rng(5), 0, 0
    for _ in range(300):
        differences = np.where(rng.random(150) < 0.01, -1.0, rng.normal(0, 0.01, 150).clip(-1, 1))
        false += lower_bound(differences, alpha=0.05, margin=0.01) > -0.01
        normal += differences.mean() - 1.645 * differences.std(ddof=1) / np.sqrt(150) > -0.01
    assert false / 300 <= 0.05
    assert normal / 300 > 0.15
