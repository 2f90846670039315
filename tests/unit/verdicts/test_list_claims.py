"""Rule 11: claims about one list of items, asked in random order and each once."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from verdict_results import counted, results

from forgetless.errors import TaskError
from forgetless.verdicts import SequentialJudge, judge
from forgetless.verdicts.betting import BettingTest, bets_for, list_lower_bound


def slow_wealth(differences, mu0, size, margin):
    """Wealth after each item, each bet by itself and written out; `inf` once the hypothesis has become impossible."""
    bets = bets_for(margin)
    stakes, seen, path = [math.exp(share) for share in bets.log_shares], [], []
    for d in differences:
        mean = (size * mu0 - sum(seen)) / (size - len(seen))
        if mean > -1 + 1e-9:
            stakes = [s * (1 - u + u * (1 + d) / (1 + mean)) for s, u in zip(stakes, bets.sizes, strict=True)]
        seen.append(d)
        left = size - len(seen)
        impossible = size * mu0 - sum(seen) < -left - 1e-9
        path.append(math.inf if impossible or math.inf in path else sum(stakes))
    return path


def orders(values):
    """Every order of the list that looks different."""
    return np.array(sorted(set(itertools.permutations(values))))


@pytest.mark.parametrize("mu0", [-0.3, -0.02, 0.0])
def test_path_is_the_wealth_of_a_slow_bettor(mu0):
    d = np.random.default_rng(1).choice([-1.0, 0.0, 0.4, 1.0], size=9)
    test = BettingTest(mu0, alpha=0.05, margin=0.05, list_size=12)
    slow = slow_wealth(list(d), mu0, 12, 0.05)
    assert np.minimum(test.path(d), 50) == pytest.approx([min(math.log(max(w, 1e-300)), 50) for w in slow])
    test.update(d[:4])
    assert np.minimum(test.path(d[4:]), 50) == pytest.approx([min(math.log(max(w, 1e-300)), 50) for w in slow[4:]])


@pytest.mark.parametrize(
    "values",
    [(-1.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), (-1.0, -1.0, -1.0, 0.0, 0.0, 1.0, 1.0), (-0.8, 0.1, 0.1, 0.1, 0.1)],
)
@pytest.mark.parametrize("alpha", [0.05, 0.3])
def test_of_all_orders_of_a_list_at_the_boundary_at_most_alpha_are_rejected_at_any_time(values, alpha):
    test = BettingTest(float(np.mean(values)), alpha=alpha, margin=0.1, list_size=len(values))
    rejected = (test.path(orders(values)) >= test.log_threshold).any(axis=1)
    assert rejected.mean() <= alpha


def test_a_hypothesis_is_possible_as_long_as_the_rest_could_just_lie_at_the_bottom():
    """Taking "the rest must be at most −1" for impossible would reject every such order."""
    values = (1.0, 1.0, -1.0, -1.0)
    test = BettingTest(0.0, alpha=0.05, margin=0.1, list_size=4)
    assert not (test.path(orders(values)) >= test.log_threshold).any()
    # One win more than a mean of 0 leaves room for is proof.
    assert test.path(np.array([1.0, 1.0, 0.5]))[-1] >= 1e3


def test_bound_is_where_the_slow_bettor_stops_rejecting():
    d = np.random.default_rng(3).choice([-1.0, 0.0, 1.0], p=[0.05, 0.85, 0.1], size=60)
    bound = list_lower_bound(d, 90, alpha=0.1, margin=0.1)
    assert max(slow_wealth(list(d), bound - 1e-3, 90, 0.1)) >= 10
    assert max(slow_wealth(list(d), bound + 1e-3, 90, 0.1)) < 10


def test_bounds_close_in_on_the_mean_of_the_list():
    d = np.random.default_rng(5).permutation([-1.0] * 6 + [1.0] * 4 + [0.0] * 190)
    bounds = [list_lower_bound(d[:n], 200, alpha=0.05, margin=0.05) for n in (20, 80, 140, 190, 200)]
    # What was shown stays shown, up to the resolution of the bisection.
    assert all(later >= earlier - 2e-6 for earlier, later in itertools.pairwise(bounds))
    assert bounds[-1] == pytest.approx(d.mean())
    assert bounds[-2] > d.mean() - 0.07


@pytest.mark.parametrize(
    ("losses", "gains", "outcome"), [(3, 2, "kept"), (12, 2, "dropped"), (10, 4, "kept"), (14, 4, "dropped")]
)
def test_a_whole_list_is_known_and_never_undecided(losses, gains, outcome):
    verdict = judge(*counted(losses, gains, 200), capability="c", margin=0.05, list_size=200)
    assert verdict.outcome == outcome
    assert verdict.lower == verdict.upper == (gains - losses) / 200
    assert verdict.estimate == pytest.approx(verdict.lower)
    assert (verdict.target, verdict.method) == ("list", "list")
    assert verdict.reason.endswith("on this list of 200 items")


def test_no_floor_keeps_a_short_list_from_being_judged():
    assert judge(*counted(0, 0, 20), capability="c", margin=0.02).outcome == "undecided"
    assert judge(*counted(0, 0, 20), capability="c", margin=0.02, list_size=20).outcome == "kept"


def test_missing_answers_are_all_that_is_uncertain_of_a_whole_list():
    tuned = results([1.0] * 90 + [None] * 10)
    verdict = judge(results([1.0] * 100), tuned, capability="c", margin=0.05, list_size=100)
    assert (verdict.lower, verdict.upper, verdict.outcome) == (-0.1, 0.0, "undecided")
    assert "10 of 100 answers missing" in verdict.reason


def test_part_of_a_list_is_judged_by_bets_and_says_more_than_of_a_population():
    sheets = counted(4, 3, 300)
    of_list = judge(*sheets, capability="c", margin=0.05, list_size=360)
    of_population = judge(*sheets, capability="c", margin=0.05, method="betting")
    assert of_population.lower < of_list.lower <= of_list.estimate <= of_list.upper < of_population.upper
    assert of_list.interval[0] <= of_list.lower
    assert of_list.upper <= of_list.interval[1]


def test_groups_are_judged_on_a_list_once_all_of_it_was_asked():
    groups = [f"g{i // 4}" for i in range(80)]
    base, tuned = results([1.0] * 80, groups=groups), results([0.0, *[1.0] * 79])
    assert judge(base, tuned, capability="c", margin=0.05, list_size=80).outcome == "kept"
    with pytest.raises(TaskError, match="come together"):
        judge(base, tuned, capability="c", margin=0.05, list_size=120)


def test_what_the_base_cannot_do_is_absent_on_a_list_too():
    assert judge(*counted(0, 0, 100, right=26), capability="c", margin=0.05, chance=0.25, list_size=100).outcome == (
        "absent"
    )


def feed(sequential, base, tuned, *, block=20, groups=None):
    for start in range(0, len(base), block):
        part = slice(start, start + block)
        names = None if groups is None else groups[part]
        if sequential.update(
            results(base[part], groups=names, start=start), results(tuned[part], groups=names, start=start)
        ):
            break
    return sequential.finish()


def test_items_of_a_list_run_out_sooner_than_those_of_a_population():
    of_list = feed(SequentialJudge("c", margin=0.05, planned_n=150, list_size=150), [1.0] * 150, [1.0] * 150)
    of_population = feed(SequentialJudge("c", margin=0.05, planned_n=150, binary=False), [1.0] * 150, [1.0] * 150)
    assert (of_list.outcome, of_list.target) == ("kept", "list")
    assert of_list.n < of_population.n


def test_a_list_that_was_asked_to_its_end_is_known():
    scores = [0.0] * 4 + [1.0] * 96
    order = np.random.default_rng(0).permutation(scores).tolist()
    verdict = feed(SequentialJudge("c", margin=0.045, planned_n=100, list_size=100), [1.0] * 100, order)
    assert verdict.outcome == "kept"
    assert feed(SequentialJudge("c", margin=0.04, planned_n=100, list_size=100), [1.0] * 100, order).outcome == (
        "dropped"
    )


def test_groups_of_a_list_are_not_decided_on_before_its_end():
    groups = [f"g{i // 4}" for i in range(400)]
    sequential = SequentialJudge("c", margin=0.05, planned_n=100, largest_group=4, list_size=400)
    verdict = feed(sequential, [1.0] * 400, [1.0] * 400, block=100, groups=groups)
    assert (verdict.n, verdict.outcome) == (100, "kept")
