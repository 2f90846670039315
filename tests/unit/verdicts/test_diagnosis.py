"""What stands beside a verdict for whoever looks for the cause: flips beyond guessing, subjects, noise."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats
from verdict_results import counted, results

from forgetless.records import ItemResult, SubjectEstimate
from forgetless.verdicts import judge, judge_domain, measure_noise, subject_estimates


@pytest.mark.parametrize("chance", [0.25, 0.5])
@pytest.mark.parametrize("forgotten", [0.0, 0.1])
def test_what_guessing_explains_is_exact_on_average(chance, forgotten):
    """Every way in which two models that know some items, and guess the others anew, can answer one of them."""
    known = {(True, True): 0.4, (True, False): forgotten, (False, True): 0.05, (False, False): 0.55 - forgotten}
    loss = both_wrong = 0.0
    for (before, after), share in known.items():
        for base, tuned in itertools.product((0, 1), repeat=2):
            p = share
            for right, knows in ((base, before), (tuned, after)):
                p *= float(right == 1) if knows else (chance if right else 1 - chance)
            loss += p * (base > tuned)
            both_wrong += p * (base == tuned == 0)
    beyond = loss - both_wrong * chance / (1 - chance)
    # Of what was forgotten, the share that is guessed right all the same does not show.
    assert beyond == pytest.approx(forgotten * (1 - chance))


def test_flips_beyond_guessing_stand_in_the_verdict():
    base, tuned = counted(30, 20, 300, right=150)
    both_wrong = 300 - 150 - 20
    verdict = judge(base, tuned, capability="c", margin=0.05, chance=0.1)
    assert verdict.losses_beyond_guessing == pytest.approx(30 - both_wrong / 9)
    assert verdict.gains_beyond_guessing == pytest.approx(20 - both_wrong / 9)
    assert (verdict.losses, verdict.gains) == (30, 20)
    assert judge(base, tuned, capability="c", margin=0.05, chance=0.25).losses_beyond_guessing == 0.0


def test_where_nothing_can_be_guessed_nothing_is_taken_off():
    assert judge(*counted(3, 2, 300), capability="c", margin=0.05).losses_beyond_guessing is None
    graded = judge(results([0.5] * 300), results([0.4] * 300), capability="c", margin=0.05, chance=0.25)
    assert graded.losses_beyond_guessing is None


def subjects(scores):
    return [ItemResult(f"i{i}", score, subject=subject) for i, (subject, score) in enumerate(scores)]


def test_subjects_stand_beside_the_verdict_and_change_nothing():
    base = subjects([("law", 1.0)] * 200 + [("art", 1.0)] * 200)
    tuned = subjects([("law", 1.0)] * 200 + [("art", 0.0)] * 10 + [("art", 1.0)] * 189 + [("art", None)])
    verdict = judge(base, tuned, capability="c", margin=0.1)
    assert verdict.subjects == (
        SubjectEstimate("art", 199, 1.0, pytest.approx(189 / 199), 10, 0),
        SubjectEstimate("law", 200, 1.0, 1.0, 0, 0),
    )
    unnamed = judge(results([1.0] * 400), results([r.score for r in tuned]), capability="c", margin=0.1)
    assert (unnamed.lower, unnamed.upper, unnamed.subjects) == (verdict.lower, verdict.upper, ())
    assert [s.subject for s in judge_domain(base, tuned).subjects] == ["art", "law"]


def test_one_subject_is_nothing_to_tell_apart():
    assert subject_estimates(subjects([("law", 1.0)] * 5), subjects([("law", 1.0)] * 5)) == ()


def test_noise_of_the_same_scores_is_none_and_so_is_rounding():
    scores = list(np.random.default_rng(0).uniform(0.2, 0.9, 50))
    assert measure_noise(results(scores), results(scores)) == 0.0
    assert measure_noise(results(scores), results([s + 1e-6 for s in scores])) == 0.0
    assert measure_noise(results(scores), results([s - 0.004 for s in scores])) == pytest.approx(0.004)
    assert measure_noise(results(scores), results([s + 0.02 for s in scores])) > 0.02
    assert measure_noise([], []) == 0.0


def test_an_answer_that_only_one_batch_shape_gives_is_noise():
    assert measure_noise(results([1.0] * 50), results([1.0] * 49 + [None])) > 0.02


@pytest.mark.parametrize(("loss", "gain"), [(0.02, 0.02), (0.06, 0.01), (0.0, 0.05)])
def test_noise_is_a_bound_of_the_true_difference_by_enumeration(loss, gain):
    n, too_small = 60, 0.0
    for losses, gains in itertools.product(range(12), repeat=2):
        chance = stats.multinomial.pmf([losses, gains, n - losses - gains], n, [loss, gain, 1 - loss - gain])
        if chance > 1e-9 and losses + gains:
            too_small += chance * (measure_noise(*counted(losses, gains, n)) < abs(loss - gain))
    # The bound of counts holds its level nearly everywhere.
    assert too_small <= 0.055
