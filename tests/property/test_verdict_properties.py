"""What must hold of every bound, whatever the items say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forgetless.records import ItemResult
from forgetless.verdicts import betting, binary, judge, judge_all, pair
from forgetless.verdicts.betting import BettingTest

# The machine that runs this may be busy: time is no property of a bound.
settings.register_profile("verdicts", deadline=None)
settings.load_profile("verdicts")

differences = st.lists(st.floats(-1, 1, allow_subnormal=False), min_size=1, max_size=30).map(np.array)
margins = st.floats(0.005, 0.3)
alphas = st.floats(0.005, 0.2)
discordances = st.none() | st.floats(0, 1)


@st.composite
def counts(draw, most=200):
    n = draw(st.integers(2, most))
    losses = draw(st.integers(0, n))
    return losses, draw(st.integers(0, n - losses)), n


@st.composite
def sheets(draw):
    n = draw(st.integers(2, 40))
    scores = st.sampled_from([0.0, 1.0]) if draw(st.booleans()) else st.floats(0, 1)
    pairs = draw(st.lists(st.tuples(scores, scores), min_size=n, max_size=n))
    base = [ItemResult(f"i{i}", b) for i, (b, _) in enumerate(pairs)]
    return base, [ItemResult(f"i{i}", t) for i, (_, t) in enumerate(pairs)]


@given(differences, margins, alphas, discordances)
def test_betting_bounds_hold_the_mean_between_them(d, margin, alpha, discordance):
    lower = betting.lower_bound(d, alpha=alpha, margin=margin, discordance=discordance)
    upper = betting.upper_bound(d, alpha=alpha, margin=margin, discordance=discordance)
    assert -1 <= lower <= d.mean() + 1e-9
    assert d.mean() - 1e-9 <= upper <= 1


@given(differences, margins, alphas, st.randoms(use_true_random=False))
def test_betting_bounds_do_not_depend_on_the_order(d, margin, alpha, random):
    shuffled = d.copy()
    random.shuffle(shuffled)
    assert betting.lower_bound(d, alpha=alpha, margin=margin) == pytest.approx(
        betting.lower_bound(shuffled, alpha=alpha, margin=margin), abs=1e-8
    )


@given(differences, margins, st.floats(-0.95, 0.95), st.floats(0.001, 0.04))
def test_wealth_falls_in_the_mean_that_is_bet_against(d, margin, mu0, step):
    low, high = (BettingTest(mean, alpha=0.05, margin=margin) for mean in (mu0, mu0 + step))
    assert np.all(low.path(d) >= high.path(d) - 1e-9)


@given(differences, margins, alphas)
def test_repeating_the_items_tightens_the_betting_bound(d, margin, alpha):
    once = betting.lower_bound(d, alpha=alpha, margin=margin)
    assert betting.lower_bound(np.tile(d, 3), alpha=alpha, margin=margin) >= once - 1e-9


@given(differences, margins, alphas)
def test_smaller_alpha_widens_the_betting_bound(d, margin, alpha):
    narrow = betting.lower_bound(d, alpha=alpha, margin=margin)
    assert betting.lower_bound(d, alpha=alpha / 2, margin=margin) <= narrow + 1e-9


@given(counts(), alphas)
def test_bounds_of_counts_hold_the_estimate_and_mirror(found, alpha):
    losses, gains, n = found
    lower, upper = binary.lower_bound(losses, gains, n, alpha=alpha), binary.upper_bound(losses, gains, n, alpha=alpha)
    assert -1 <= lower <= (gains - losses) / n + 1e-9
    assert (gains - losses) / n - 1e-9 <= upper <= 1
    assert binary.upper_bound(gains, losses, n, alpha=alpha) == -lower


@given(counts(), alphas)
def test_more_losses_never_raise_the_lower_bound(found, alpha):
    losses, gains, n = found
    if losses + gains < n:
        worse = binary.lower_bound(losses + 1, gains, n, alpha=alpha)
        assert worse <= binary.lower_bound(losses, gains, n, alpha=alpha) + 1e-9


@given(counts(), alphas)
def test_three_times_the_items_tighten_the_bound_of_counts(found, alpha):
    losses, gains, n = found
    once = binary.lower_bound(losses, gains, n, alpha=alpha)
    assert binary.lower_bound(3 * losses, 3 * gains, 3 * n, alpha=alpha) >= once - 1e-9


@given(counts(), margins, margins)
def test_larger_margin_is_never_harder_to_keep(found, one, other):
    losses, gains, n = found
    small, large = sorted((one, other))
    if binary.keeps(losses, gains, n, margin=small, alpha=0.05):
        assert binary.keeps(losses, gains, n, margin=large, alpha=0.05)


@given(counts(60), st.floats(0, 0.2), st.floats(0, 0.2))
def test_more_noise_never_makes_a_drop_surer(found, one, other):
    losses, gains, n = found
    small, large = sorted((one, other))
    assert (
        binary.drop_p_value(losses, gains, n, noise=large) >= binary.drop_p_value(losses, gains, n, noise=small) - 1e-9
    )


@settings(max_examples=60)
@given(sheets(), margins)
def test_verdict_says_what_its_bounds_say(sheet, margin):
    verdict = judge(*sheet, capability="c", margin=margin)
    assert verdict.lower <= verdict.upper
    assert verdict.interval[0] <= verdict.lower + 1e-9
    assert verdict.interval[1] >= verdict.upper - 1e-9
    assert verdict.measurable == (verdict.upper < 0)
    assert verdict.beyond_margin == (verdict.upper < -margin)
    if verdict.outcome == "kept":
        assert verdict.lower > -margin
        assert verdict.n >= binary.floor_items(margin, 0.05)
    if verdict.outcome == "dropped":
        assert verdict.upper < 0
        assert verdict.lower <= -margin or verdict.n < binary.floor_items(margin, 0.05)
    assert verdict.reason


@settings(max_examples=40)
@given(sheets(), margins, st.randoms(use_true_random=False))
def test_verdict_does_not_depend_on_the_order_of_the_items(sheet, margin, random):
    base, tuned = sheet
    verdict = judge(base, tuned, capability="c", margin=margin)
    shuffled = list(tuned)
    random.shuffle(shuffled)
    assert judge(base, shuffled, capability="c", margin=margin) == verdict


@settings(max_examples=30)
@given(st.lists(sheets(), min_size=2, max_size=4), margins)
def test_company_never_turns_a_verdict_into_dropped(sheets_, margin):
    results = {str(i): sheet for i, sheet in enumerate(sheets_)}
    together = judge_all(results, margins=dict.fromkeys(results, margin))
    for sheet, verdict in zip(sheets_, together, strict=True):
        alone = judge(*sheet, capability="c", margin=margin)
        assert verdict.outcome == alone.outcome or (alone.outcome, verdict.outcome) == ("dropped", "undecided")


@given(st.lists(st.tuples(st.floats(0, 1) | st.none(), st.floats(0, 1) | st.none(), st.integers(0, 5)), max_size=30))
def test_pairing_loses_no_item_and_keeps_every_difference_in_range(rows):
    base = [ItemResult(f"i{i}", b, group=f"g{g}") for i, (b, _, g) in enumerate(rows)]
    tuned = [ItemResult(f"i{i}", t) for i, (_, t, _) in enumerate(rows)]
    paired = pair(base, tuned)
    assert paired.items + paired.left_out == len(rows)
    assert np.all(paired.for_kept <= paired.for_dropped)
    assert np.all(np.abs(paired.for_kept) <= 1)
    assert np.all((paired.weights > 0) & (paired.weights <= 1))
    if paired.n and not paired.missing:
        assert np.average(paired.for_kept, weights=paired.weights) == pytest.approx(paired.estimate, abs=1e-9)


@given(differences, margins, st.floats(-0.9, 0.9), discordances)
def test_wealth_from_counts_is_the_wealth_at_the_end_of_the_path(d, margin, mu0, discordance):
    kinds, often = np.unique(d, return_counts=True)
    bets = betting.bets_for(margin, discordance)
    path = BettingTest(mu0, alpha=0.05, margin=margin, discordance=discordance).path(d)
    # A bet that loses all in one way of counting keeps a rounding error in the other.
    assert max(-300, betting.log_wealth(often, kinds, bets, mu0=mu0)) == pytest.approx(max(-300, path[-1]), abs=1e-6)


@given(st.lists(differences, min_size=1, max_size=4), margins, st.none() | st.integers(30, 60))
def test_many_futures_are_followed_as_each_would_be(futures, margin, list_size):
    n = min(map(len, futures))
    test = BettingTest(-margin, alpha=0.05, margin=margin, list_size=list_size)
    together = test.path(np.array([d[:n] for d in futures]))
    for d, path in zip(futures, together, strict=True):
        assert path == pytest.approx(test.path(d[:n]))


@settings(max_examples=30)
@given(differences, st.integers(0, 30), margins, alphas)
def test_bounds_of_a_list_hold_its_mean_so_far_and_mirror(d, unasked, margin, alpha):
    size = len(d) + unasked
    lower = betting.list_lower_bound(d, size, alpha=alpha, margin=margin)
    upper = -betting.list_lower_bound(-d, size, alpha=alpha, margin=margin)
    worst, best = (d.sum() - unasked) / size, (d.sum() + unasked) / size
    assert worst - 1e-9 <= lower <= best + 1e-9
    assert worst - 1e-9 <= upper <= best + 1e-9
    if unasked == 0:
        assert lower == pytest.approx(d.mean())
        assert upper == pytest.approx(d.mean())
    else:
        wider = betting.list_lower_bound(d, size, alpha=alpha / 2, margin=margin)
        assert wider <= lower + 1e-5


@settings(max_examples=30)
@given(sheets(), margins)
def test_swapping_the_models_mirrors_the_bounds(sheet, margin):
    base, tuned = sheet
    there = judge(base, tuned, capability="c", margin=margin)
    back = judge(tuned, base, capability="c", margin=margin)
    assert (there.lower, there.upper) == pytest.approx((-back.upper, -back.lower))
    assert (there.losses, there.gains) == (back.gains, back.losses)
