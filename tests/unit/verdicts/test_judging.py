"""Verdicts on complete results: outcomes, flags, reasons, families, the domain."""

from __future__ import annotations

import numpy as np
import pytest
from verdict_results import counted, results

from forgetless.errors import TaskError
from forgetless.verdicts import compare_paired, judge, judge_all, judge_domain, measure_noise


def judged(losses, gains, n, *, margin=0.02, right=None, **terms):
    base, tuned = counted(losses, gains, n, right=right)
    return judge(base, tuned, capability="math", margin=margin, **terms)


def test_enough_unchanged_items_are_kept():
    verdict = judged(2, 2, 500)
    assert verdict.outcome == "kept"
    assert verdict.lower > -0.02
    assert verdict.method == "binary"
    assert not verdict.measurable
    assert (verdict.losses, verdict.gains, verdict.n) == (2, 2, 500)
    assert verdict.estimate == 0.0


def test_small_drop_within_the_margin_is_kept_and_measurable():
    verdict = judged(12, 1, 2000)
    assert verdict.outcome == "kept"
    assert verdict.measurable
    assert not verdict.beyond_margin
    assert "small drop" in verdict.reason


def test_large_drop_is_dropped_beyond_the_margin():
    verdict = judged(60, 5, 500)
    assert verdict.outcome == "dropped"
    assert verdict.measurable
    assert verdict.beyond_margin
    assert verdict.interval[0] < verdict.lower < verdict.estimate < verdict.upper < verdict.interval[1]


def test_too_few_items_are_undecided_and_say_how_many_it_takes():
    verdict = judged(0, 0, 90)
    assert verdict.outcome == "undecided"
    assert verdict.reason == "needs at least 149 items to certify 2 points, has 90"


def test_below_the_floor_nothing_is_kept_even_after_a_great_gain():
    base, tuned = results([0.0, 1.0] * 60), results([1.0] * 120)
    for method in ("binary", "betting"):
        verdict = judge(base, tuned, capability="math", margin=0.02, method=method)
        assert verdict.lower > 0
        assert verdict.outcome == "undecided"


def test_collapse_below_the_floor_is_still_a_drop():
    assert judged(80, 0, 90).outcome == "dropped"


def test_wide_interval_is_undecided_and_names_its_ends():
    verdict = judged(20, 20, 300)
    assert verdict.outcome == "undecided"
    assert verdict.reason.startswith("between -")


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_items_are_undecided_without_bounds(n):
    verdict = judge(results([1.0] * n), results([0.0] * n), capability="math", margin=0.02)
    assert verdict.outcome == "undecided"
    assert verdict.lower is None
    assert verdict.reason == f"needs at least 2 items, has {n}"


def test_base_at_chance_is_absent_and_never_kept():
    verdict = judged(0, 0, 1000, right=255, chance=0.25)
    assert verdict.outcome == "absent"
    assert judged(0, 0, 1000, right=400, chance=0.25).outcome == "kept"


def test_base_that_cannot_do_the_task_at_all_is_absent():
    assert judged(0, 0, 1000, right=0).outcome == "absent"
    assert judged(0, 0, 1000, right=0, method="betting").outcome == "absent"


def test_missing_answers_count_against_kept_and_are_printed():
    base = results([1.0] * 500)
    tuned = results([1.0] * 480 + [None] * 20)
    verdict = judge(base, tuned, capability="math", margin=0.02)
    assert verdict.outcome == "undecided"
    assert verdict.missing == 20
    assert verdict.tuned_score == 1.0
    assert "20 of 500 answers missing (4.0 %)" in verdict.reason


def test_missing_base_answers_are_left_out_and_said():
    verdict = judge(results([1.0] * 300 + [None] * 5), results([1.0] * 305), capability="math", margin=0.02)
    assert verdict.outcome == "kept"
    assert "5 items left out" in verdict.reason


def test_drop_within_the_noise_is_not_called_dropped():
    assert judged(40, 18, 1000, margin=0.03).outcome == "dropped"
    verdict = judged(40, 18, 1000, margin=0.03, noise=0.015)
    assert verdict.outcome == "undecided"
    assert "within the noise of 1.5 points" in verdict.reason


def test_margin_within_the_noise_is_refused():
    with pytest.raises(TaskError, match="batch shape"):
        judged(0, 0, 500, margin=0.01, noise=0.01)


@pytest.mark.parametrize("terms", [{"margin": 0.0}, {"margin": 2.0}, {"alpha": 0.5}, {"chance": 1.0}, {"noise": -0.1}])
def test_terms_out_of_range_are_refused_with_the_capability_and_the_field(terms):
    with pytest.raises(TaskError) as refused:
        judged(0, 0, 500, **terms)
    assert refused.value.field == f"math.{next(iter(terms))}"


def test_other_than_binary_scores_are_judged_by_betting():
    rng = np.random.default_rng(0)
    base = rng.uniform(0.3, 0.9, 600)
    verdict = judge(results(list(base)), results(list(base + rng.normal(0, 0.02, 600))), capability="p", margin=0.02)
    assert verdict.outcome == "kept"
    assert verdict.method == "betting"
    lost = judge(results(list(base)), results(list(base - 0.2)), capability="p", margin=0.02)
    assert lost.outcome == "dropped"
    assert lost.beyond_margin


def test_binary_method_on_other_scores_is_refused():
    with pytest.raises(TaskError, match="0 or 1"):
        judge(results([0.5] * 9), results([0.5] * 9), capability="p", margin=0.02, method="binary")


def test_groups_are_the_units_of_the_floor():
    groups = [f"g{i // 5}" for i in range(500)]
    verdict = judge(results([1.0] * 500, groups=groups), results([1.0] * 500), capability="passages", margin=0.02)
    assert verdict.n == 100
    assert verdict.outcome == "undecided"
    assert verdict.reason == "needs at least 149 groups of items to certify 2 points, has 100"


def test_groups_that_move_together_are_not_counted_as_many_items():
    """Ten losses in two passages say far less than ten losses in ten items."""
    scores = [0.0] * 10 + [1.0] * 190
    alone = judge(results([1.0] * 200), results(scores), capability="c", margin=0.02)
    groups = [f"g{i // 5}" for i in range(200)]
    together = judge(results([1.0] * 200, groups=groups), results(scores), capability="c", margin=0.02)
    assert alone.outcome == "dropped"
    assert together.outcome == "undecided"


def test_holm_over_capabilities_is_for_dropped_only():
    weak, clean = counted(9, 2, 200), counted(10, 10, 200)
    names = ["weak", *(f"c{i}" for i in range(9))]
    verdicts = judge_all({n: weak if n == "weak" else clean for n in names}, margins=dict.fromkeys(names, 0.02))
    assert [v.capability for v in verdicts] == names
    assert judged(9, 2, 200).outcome == "dropped"
    assert verdicts[0].outcome == "undecided"
    assert verdicts[0].measurable
    assert "not enough among 10 capabilities" in verdicts[0].reason


def test_judging_several_passes_each_its_own_terms():
    pairs = counted(0, 0, 1000, right=260)
    verdicts = judge_all(
        {"a": pairs, "b": pairs},
        margins={"a": 0.02, "b": 0.05},
        chances={"a": 0.25},
        noises={"b": 0.01},
        discordances={"a": 0.1},
    )
    assert [(v.outcome, v.margin) for v in verdicts] == [("absent", 0.02), ("kept", 0.05)]
    assert judge_all({}, margins={}) == []


def test_family_of_unharmed_capabilities_is_rarely_called_dropped():
    rng, false, uncorrected = np.random.default_rng(2), 0, 0
    for _ in range(40):
        changes = rng.multinomial(200, [0.1, 0.1, 0.8], size=5)
        pairs = {str(c): counted(int(losses), int(gains), 200) for c, (losses, gains, _) in enumerate(changes)}
        verdicts = judge_all(pairs, margins=dict.fromkeys(pairs, 0.02))
        false += any(verdict.outcome == "dropped" for verdict in verdicts)
        uncorrected += any(verdict.measurable for verdict in verdicts)
    assert false / 40 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 40)
    assert uncorrected > false


def test_domain_gains_when_its_lower_bound_lies_above_zero():
    gained = judge_domain(*counted(3, 40, 300))
    assert gained.outcome == "gained"
    assert gained.lower > 0
    assert gained.margin is None
    assert judge_domain(*counted(20, 22, 300)).outcome == "not_gained"
    fell = judge_domain(*counted(40, 3, 300))
    assert fell.outcome == "not_gained"
    assert fell.reason.startswith("fell")
    assert judge_domain(*counted(0, 1, 1)).outcome == "not_gained"


def test_missing_tuned_answers_cannot_gain_the_domain():
    verdict = judge_domain(results([0.0] * 100), results([None] * 100))
    assert verdict.outcome == "not_gained"
    assert verdict.estimate is None


def test_domain_with_graded_scores_gains_by_betting():
    rng = np.random.default_rng(1)
    base = rng.uniform(0, 0.4, 200)
    verdict = judge_domain(results(list(base)), results(list(base + 0.3)))
    assert verdict.outcome == "gained"
    assert verdict.method == "betting"


def test_comparison_of_two_models_is_mirrored_when_they_swap():
    a, b = results([1, 0, 1, None, 1, 0] * 20), results([1, 1, None, 0, 1, 1] * 20)
    forward, backward = compare_paired(a, b), compare_paired(b, a)
    assert forward.interval == pytest.approx((-backward.interval[1], -backward.interval[0]))
    assert forward.missing == 40
    complete = compare_paired(*counted(5, 9, 100))
    assert complete.interval[0] < complete.estimate < complete.interval[1]
    assert compare_paired(results([1.0]), results([1.0])).interval == (-1.0, 1.0)


def test_noise_is_the_farther_one_sided_bound_of_the_base_with_itself():
    first, second = counted(6, 4, 400)
    noise = measure_noise(first, second)
    assert noise == -judge(first, second, capability="c", margin=0.1).lower
    assert noise == pytest.approx(measure_noise(second, first))
    assert noise < -compare_paired(first, second).interval[0]
    assert 0.01 < noise < 0.05
