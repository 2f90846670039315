"""Tango's bound with its gate, and McNemar's test, against slow references."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import optimize, special, stats
from statsmodels.stats.contingency_tables import mcnemar

from forgetless.verdicts.binary import (
    drop_p_value,
    floor_items,
    keeps,
    lower_bound,
    mcnemar_p,
    net_loss_bound,
    tango_statistic,
    upper_bound,
)


def slow_tango(losses, gains, n, mu0):
    """The score statistic with the loss chance found by maximising the likelihood under the hypothesis."""

    def deviance(loss):
        gain = loss + mu0
        return -(
            special.xlogy(losses, loss)
            + special.xlogy(gains, gain)
            + special.xlogy(n - losses - gains, 1 - loss - gain)
        )

    low, high = max(0.0, -mu0), (1 - mu0) / 2
    loss = optimize.minimize_scalar(deviance, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
    return (gains - losses - n * mu0) / np.sqrt(n * (2 * loss + mu0 - mu0**2))


def trinomial(n, loss, gain):
    """Every (losses, gains) and its chance."""
    counts = np.array([(b, c) for b in range(n + 1) for c in range(n + 1 - b)])
    b, c = counts.T
    return b, c, stats.multinomial.pmf(np.column_stack([b, c, n - b - c]), n, [loss, gain, 1 - loss - gain])


@pytest.mark.parametrize(("losses", "gains", "n"), [(7, 3, 100), (1, 12, 90), (20, 20, 300), (5, 1, 40)])
@pytest.mark.parametrize("mu0", [-0.2, -0.05, -0.01, 0.03, 0.2])
def test_tango_agrees_with_a_numeric_constrained_likelihood(losses, gains, n, mu0):
    assert float(tango_statistic(losses, gains, n, mu0)) == pytest.approx(slow_tango(losses, gains, n, mu0), abs=1e-4)


def test_tango_at_zero_is_the_mcnemar_z():
    assert float(tango_statistic(12, 5, 200, 0.0)) == pytest.approx((5 - 12) / np.sqrt(17))


def test_tango_root_is_clamped_when_nothing_was_gained():
    for n in range(50, 3000, 37):
        statistic = tango_statistic(np.arange(6), np.zeros(6), n, -0.01)
        assert np.all(np.isfinite(statistic))
        assert np.all(np.diff(statistic) < 0)


def test_tango_is_neutral_where_nothing_speaks_and_infinite_where_the_hypothesis_is_impossible():
    assert float(tango_statistic(0, 0, 50, 0.0)) == 0.0
    assert float(tango_statistic(0, 0, 50, -1.0)) == np.inf
    assert float(tango_statistic(50, 0, 50, 1.0)) == -np.inf


@pytest.mark.parametrize("n", [40, 200, 1000])
def test_no_change_at_all_gives_the_floor_bound(n):
    assert lower_bound(0, 0, n, alpha=0.05) == pytest.approx(-(1 - 0.05 ** (1 / n)), rel=1e-9)


def test_gate_is_the_clopper_pearson_bound_of_the_net_losses():
    bound = net_loss_bound(6, 300, alpha=0.05)
    assert stats.binom.cdf(6, 300, bound) == pytest.approx(0.05)
    assert net_loss_bound(-4, 300, alpha=0.05) == net_loss_bound(0, 300, alpha=0.05)
    assert net_loss_bound(300, 300, alpha=0.05) == 1.0


@pytest.mark.parametrize("margin", [0.01, 0.05])
def test_bound_above_minus_margin_means_both_tests_pass(margin):
    n = 350
    for losses, gains in itertools.product(range(0, 30, 3), range(0, 30, 4)):
        both = slow_tango(losses, gains, n, -margin) > stats.norm.isf(0.05)
        both &= bool(stats.binom.cdf(max(losses - gains, 0), n, margin) <= 0.05)
        assert (lower_bound(losses, gains, n, alpha=0.05) > -margin) == both
        assert bool(keeps(losses, gains, n, margin=margin, alpha=0.05)) == both


@pytest.mark.parametrize(("n", "margin"), [(100, 0.03), (150, 0.02), (60, 0.05)])
@pytest.mark.parametrize("excess", [1.0, 1.3, 2.0, 5.0])
def test_level_of_kept_at_the_boundary_by_enumeration(n, margin, excess):
    discordance = margin * excess
    b, c, chance = trinomial(n, (discordance + margin) / 2, (discordance - margin) / 2)
    assert chance[keeps(b, c, n, margin=margin, alpha=0.05)].sum() <= 0.0525


def test_gate_holds_where_tango_alone_does_not():
    n, margin = 300, 0.02
    losses = np.arange(n + 1)
    chance = stats.binom.pmf(losses, n, margin)
    alone = tango_statistic(losses, np.zeros(n + 1), n, -margin) > stats.norm.isf(0.05)
    assert chance[alone].sum() > 0.055
    assert chance[keeps(losses, np.zeros(n + 1), n, margin=margin, alpha=0.05)].sum() <= 0.05


@pytest.mark.parametrize("discordance", [0.05, 0.2, 0.5])
def test_level_of_a_bound_above_or_below_zero_by_enumeration(discordance):
    n = 30
    b, c, chance = trinomial(n, discordance / 2, discordance / 2)
    pairs = [(int(x), int(y)) for x, y in zip(b, c, strict=True)]
    gained = np.array([y > x and lower_bound(x, y, n, alpha=0.05) > 0 for x, y in pairs])
    assert chance[gained].sum() <= 0.05
    dropped = np.array([x > y and upper_bound(x, y, n, alpha=0.05) < 0 for x, y in pairs])
    assert chance[dropped].sum() <= 0.05


@pytest.mark.parametrize(("losses", "gains"), [(9, 1), (12, 4), (15, 5), (30, 18)])
def test_mcnemar_is_half_of_the_exact_two_sided_one(losses, gains):
    two_sided = mcnemar([[50, losses], [gains, 50]], exact=True).pvalue
    assert 2 * mcnemar_p(losses, gains) == pytest.approx(two_sided)


def test_mcnemar_without_discordant_items_is_one():
    assert mcnemar_p(0, 0) == 1.0
    assert mcnemar_p(0, 3) == 1.0
    assert mcnemar_p(5, 0) == pytest.approx(2**-5)


def test_drop_p_value_is_mcnemars_without_noise():
    for losses, gains in itertools.product(range(25), range(25)):
        if losses > gains:
            exact = mcnemar_p(losses, gains)
            # In the far tail Tango's normal p-value is the larger one; the bound and the p-value must agree there too.
            found = drop_p_value(losses, gains, 500)
            assert found == pytest.approx(exact) if exact > 1e-3 else exact * (1 - 1e-9) <= found < 1e-3
        else:
            assert drop_p_value(losses, gains, 500) > 0.5 - 1e-9


def test_upper_bound_lies_below_zero_just_when_the_drop_is_significant():
    for losses, gains in itertools.product(range(25), range(25)):
        assert (upper_bound(losses, gains, 400, alpha=0.05) < 0) == (drop_p_value(losses, gains, 400) <= 0.05)


@pytest.mark.parametrize("noise", [0.01, 0.03])
def test_noise_asks_for_an_upper_bound_below_it(noise):
    for losses, gains in itertools.product(range(0, 60, 3), range(0, 20, 3)):
        below = upper_bound(losses, gains, 400, alpha=0.05) < -noise
        assert below == (drop_p_value(losses, gains, 400, noise=noise) <= 0.05)


@pytest.mark.parametrize(("margin", "items"), [(0.005, 598), (0.01, 299), (0.02, 149), (0.03, 99)])
def test_floor_reference_points(margin, items):
    assert floor_items(margin, 0.05) == items
    assert lower_bound(0, 0, items, alpha=0.05) > -margin
    assert lower_bound(0, 0, items - 1, alpha=0.05) <= -margin
