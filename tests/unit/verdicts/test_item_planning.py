"""Plans against enumeration, simulation and the table of items."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from forgetless.verdicts import (
    certifiable_margin,
    detectable_drop,
    items_to_certify,
    power_to_certify,
    power_to_detect,
    training_budget,
)
from forgetless.verdicts.betting import bets_for, log_wealth
from forgetless.verdicts.binary import drop_p_value, drops, keeps, mcnemar_p


def trinomial(n, loss, gain):
    counts = np.array([(b, c) for b in range(n + 1) for c in range(n + 1 - b)])
    b, c = counts.T
    return b, c, stats.multinomial.pmf(np.column_stack([b, c, n - b - c]), n, [loss, gain, 1 - loss - gain])


@pytest.mark.parametrize(("discordance", "drop"), [(0.1, 0.0), (0.2, 0.05), (0.05, 0.05), (0.3, 0.1)])
def test_powers_agree_with_enumeration(discordance, drop):
    n = 110
    b, c, chance = trinomial(n, (discordance + drop) / 2, (discordance - drop) / 2)
    kept = chance[keeps(b, c, n, margin=0.06, alpha=0.05)].sum()
    assert power_to_certify(n, 0.06, discordance, 0.05, drop=drop) == pytest.approx(kept, abs=1e-5)
    dropped = sum(p for x, y, p in zip(b, c, chance, strict=True) if mcnemar_p(int(x), int(y)) <= 0.05)
    assert power_to_detect(n, drop, discordance, 0.05) == pytest.approx(dropped, abs=1e-5)


@pytest.mark.parametrize(
    ("margin", "discordance", "items"),
    [
        (0.01, 0.02, 1360),
        (0.01, 0.05, 3160),
        (0.02, 0.02, 405),
        (0.02, 0.05, 820),
        (0.02, 0.1, 1570),
        (0.03, 0.05, 390),
    ],
)
def test_items_needed_agree_with_the_table(margin, discordance, items):
    assert items_to_certify(margin, discordance) == pytest.approx(items, rel=0.03)
    assert certifiable_margin(items, discordance) == pytest.approx(margin, rel=0.02)


JOINT_ITEMS = [
    (0.01, 0.02, 2399, 2840),
    (0.01, 0.05, 5689, 6751),
    (0.02, 0.02, 673, 795),
    (0.02, 0.05, 1464, 1731),
    (0.02, 0.10, 2839, 3374),
    (0.03, 0.05, 674, 797),
]
"""Margin, discordance, and items for 5 and for 10 abilities that are kept together with a chance of .8."""


@pytest.mark.parametrize(("margin", "discordance", "five", "ten"), JOINT_ITEMS)
def test_joint_plans_need_more(margin, discordance, five, ten):
    for jointly, items in ((5, five), (10, ten)):
        assert items_to_certify(margin, discordance, jointly=jointly) == items
        each = 0.8 ** (1 / jointly)
        assert power_to_certify(items, margin, discordance, 0.05) >= each
        assert power_to_certify(items - 40, margin, discordance, 0.05) < each


def test_bets_need_more_than_twice_the_items_of_the_counts():
    items = items_to_certify(0.02, 0.05, exact=False)
    assert 2.1 < items / items_to_certify(0.02, 0.05) < 2.4
    assert certifiable_margin(items, 0.05, exact=False) == pytest.approx(0.02, rel=0.02)


@pytest.mark.parametrize(("n", "discordance", "size"), [(300, 0.01, 1.0), (300, 0.05, 0.5), (1500, 0.05, 1.0)])
@pytest.mark.parametrize("informed", [True, False])
def test_bets_reach_the_power_that_is_planned(n, discordance, size, informed):
    known = discordance if informed else None
    rng = np.random.default_rng(7)
    margin = certifiable_margin(n, discordance, exact=False)
    drop = detectable_drop(n, discordance, exact=False)
    found = []
    for share, mu0, sign in ((0.0, -margin, 1.0), (drop / size, 0.0, -1.0)):
        total = max(discordance / size**2, share)
        chances = [1 - total, (total + share) / 2, (total - share) / 2]
        counts = rng.multinomial(n, chances, size=4_000)
        bets = bets_for(margin if sign > 0 else drop, known)
        wealth = log_wealth(counts, sign * np.array([0.0, -size, size]), bets, mu0=mu0)
        found.append(np.mean(wealth >= -np.log(0.05)))
    assert min(found) > 0.78


def test_noise_raises_the_drop_that_can_be_detected():
    for exact in (True, False):
        drops = [detectable_drop(1000, 0.05, exact=exact, noise=noise) for noise in (0.0, 0.002, 0.01)]
        assert drops == sorted(drops)
        assert drops[2] > drops[0] + 0.005
    assert detectable_drop(50, 0.05, noise=0.99) is None


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_drops_shown_by_arrays_of_counts_are_those_of_the_p_value(noise):
    b, c, _ = trinomial(30, 0.1, 0.1)
    shown = drops(b, c, 30, alpha=0.05, noise=noise)
    one_by_one = [drop_p_value(int(x), int(y), 30, noise=noise) <= 0.05 for x, y in zip(b, c, strict=True)]
    assert shown.tolist() == one_by_one


def test_certifiable_margin_never_beats_the_floor():
    assert certifiable_margin(149, 0.0) == pytest.approx(0.0199, abs=2e-4)
    assert certifiable_margin(99, 0.0) == pytest.approx(1 - 0.05 ** (1 / 99), rel=1e-3)
    assert certifiable_margin(3, 0.9) <= 1.0


def test_large_plans_fall_back_to_the_formula():
    assert certifiable_margin(2_000_000, 0.1) == pytest.approx(2.4865 * np.sqrt(0.1 / 2_000_000), rel=1e-3)
    assert items_to_certify(0.0005, 0.1) == pytest.approx(2.4865**2 * 0.1 / 0.0005**2, rel=1e-3)


@pytest.mark.parametrize("n", [100, 1000])
def test_detectable_drop_is_the_least_with_enough_power(n):
    drop = detectable_drop(n, 0.1)
    assert power_to_detect(n, drop, 0.1, 0.05) >= 0.8
    assert power_to_detect(n, drop * 0.99, 0.1, 0.05) < 0.8
    assert detectable_drop(n, 0.1, 0.01) > drop


def test_detectable_drop_starts_from_the_formula():
    drop = detectable_drop(20_000, 0.1)
    formula = (1.6449 * np.sqrt(0.1) + 0.8416 * np.sqrt(0.1 - drop**2)) / np.sqrt(20_000)
    assert drop == pytest.approx(formula, rel=0.02)
    assert detectable_drop(50_000, 0.1, exact=False) == pytest.approx(formula, rel=0.01)


def test_no_drop_is_detectable_on_a_handful_of_items():
    assert detectable_drop(4, 0.1) is None
    assert detectable_drop(1, 0.1, exact=False) is None
    assert power_to_detect(100, 0.0, 0.0, 0.05) == 0.0


def test_training_aims_below_the_margin_and_never_below_zero():
    assert training_budget(0.03, 4000, 0.05) == pytest.approx(0.03 - 2.4865 * np.sqrt(0.05 / 4000), rel=1e-4)
    assert training_budget(0.03, 4000, 0.05, jointly=5) < training_budget(0.03, 4000, 0.05)
    assert training_budget(0.01, 100, 0.1) == 0.0
