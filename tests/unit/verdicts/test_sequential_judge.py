"""The sequential judge: when it stops, what it latches, and at which level."""

from __future__ import annotations

import numpy as np
import pytest
from verdict_results import results

from forgetless.errors import TaskError
from forgetless.verdicts import SequentialJudge, judge, settle_together


def feed(judge_, base, tuned, *, block=100, groups=None):
    """Feeds blocks until the judge has decided or the items end; returns the last verdict."""
    for start in range(0, len(base), block):
        part = slice(start, start + block)
        names = None if groups is None else groups[part]
        decided = judge_.update(
            results(base[part], groups=names, start=start), results(tuned[part], groups=names, start=start)
        )
        if decided:
            break
    return judge_.verdict


def changed(rng, n, losses, gains):
    """A base that is right on 70 %, and a tuned model with the given chances of a loss and a gain."""
    change = rng.choice([-1.0, 0.0, 1.0], p=[losses, 1 - losses - gains, gains], size=n)
    base = np.where(change == 0, rng.random(n) < 0.7, change < 0).astype(float)
    return list(base), list(base + change)


@pytest.mark.parametrize(("discordance", "item"), [(None, 461), (0.01, 336)])
@pytest.mark.parametrize("block", [50, 1000])
def test_zero_discordance_stops_at_the_reference_item_whatever_the_blocks(discordance, item, block):
    sequential = SequentialJudge("math", margin=0.01, planned_n=5000, discordance=discordance, binary=False)
    verdict = feed(sequential, [1.0] * 1000, [1.0] * 1000, block=block)
    assert sequential.decided
    assert verdict.outcome == "kept"
    assert verdict.n == item
    assert verdict.lower > -0.01


def test_floor_holds_even_where_bets_win_faster():
    base, tuned = [0.0, 1.0, 1.0, 1.0, 1.0] * 200, [1.0] * 1000
    verdict = feed(SequentialJudge("math", margin=0.02, planned_n=1000, binary=False), base, tuned)
    assert verdict.outcome == "kept"
    assert verdict.n == 149


def test_drop_beyond_the_margin_stops_early():
    sequential = SequentialJudge("math", margin=0.02, planned_n=2000)
    verdict = feed(sequential, *changed(np.random.default_rng(0), 2000, 0.3, 0.02))
    assert verdict.outcome == "dropped"
    assert verdict.beyond_margin
    assert verdict.n < 200


def test_measurable_drop_within_the_margin_does_not_stop():
    # In every 25 items three losses and one gain: 8 points down.
    base, tuned = ([1.0] * 20 + [0.0] * 5) * 40, ([0.0, 1.0] * 3 + [1.0] * 15 + [0.0] * 4) * 40
    sequential = SequentialJudge("math", margin=0.10, planned_n=1000, binary=False)
    early = feed(sequential, base[:750], tuned[:750])
    assert early.measurable
    assert not sequential.decided
    assert sequential.update(results(base[750:], start=750), results(tuned[750:], start=750))
    last = sequential.verdict
    assert last.outcome == "dropped"
    assert not last.beyond_margin


def test_verdict_is_latched():
    sequential = SequentialJudge("math", margin=0.02, planned_n=2000)
    kept = feed(sequential, [1.0] * 600, [1.0] * 600)
    assert kept.outcome == "kept"
    assert sequential.update(results([1.0] * 50, start=700), results([0.0] * 50, start=700))
    assert sequential.verdict is kept
    assert sequential.finish() is kept


def test_running_out_of_items_settles_and_says_why():
    sequential = SequentialJudge("math", margin=0.02, planned_n=90)
    verdict = feed(sequential, [1.0] * 90, [1.0] * 90, block=30)
    assert sequential.decided
    assert verdict.outcome == "undecided"
    assert verdict.reason == "needs at least 149 items to certify 2 points, has 90"


def test_before_the_end_the_verdict_is_undecided_with_the_bounds_so_far():
    sequential = SequentialJudge("math", margin=0.02, planned_n=400)
    assert sequential.verdict.reason == "0 of 400 items seen"
    assert not sequential.update(results([1.0] * 40), results([1.0] * 40))
    verdict = sequential.verdict
    assert verdict.outcome == "undecided"
    assert verdict.reason == "40 of 400 items seen"
    assert -1 < verdict.lower < 0 < verdict.upper < 1


def test_finishing_without_items_is_undecided():
    assert SequentialJudge("math", margin=0.02, planned_n=400).finish().reason == "needs at least 2 items, has 0"


def test_hybrid_needs_half_the_items_that_betting_needs_at_the_planned_end():
    rng = np.random.default_rng(3)
    kept = {True: 0, False: 0}
    for _ in range(25):
        base, tuned = changed(rng, 1700, 0.05, 0.05)
        for binary in kept:
            sequential = SequentialJudge("math", margin=0.02, planned_n=1700, binary=binary)
            kept[binary] += feed(sequential, base, tuned, block=1700).outcome == "kept"
    assert kept[True] > kept[False] + 2


@pytest.mark.parametrize("binary", [True, False])
def test_false_kept_at_the_boundary_stays_below_alpha(binary):
    rng, false = np.random.default_rng(6), 0
    for _ in range(120):
        sequential = SequentialJudge("math", margin=0.04, planned_n=500, binary=binary)
        false += feed(sequential, *changed(rng, 500, 0.06, 0.02), block=500).outcome == "kept"
    assert false / 120 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 120)


@pytest.mark.parametrize("binary", [True, False])
def test_false_dropped_without_a_drop_stays_below_alpha(binary):
    rng, false = np.random.default_rng(8), 0
    for _ in range(120):
        sequential = SequentialJudge("math", margin=0.02, planned_n=300, binary=binary)
        false += feed(sequential, *changed(rng, 300, 0.05, 0.05), block=300).outcome == "dropped"
    assert false / 120 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 120)


def test_first_block_tells_whether_scores_are_binary_and_a_later_one_may_correct_it():
    sequential = SequentialJudge("math", margin=0.02, planned_n=400)
    sequential.update(results([1.0] * 100), results([1.0] * 100))
    assert sequential.binary
    sequential.update(results([0.5] * 100, start=100), results([0.5] * 100, start=100))
    assert not sequential.binary
    assert sequential.verdict.method == "betting"
    fractional_first = SequentialJudge("math", margin=0.02, planned_n=400)
    fractional_first.update(results([0.5] * 100), results([0.5] * 100))
    fractional_first.update(results([1.0] * 100, start=100), results([1.0] * 100, start=100))
    assert not fractional_first.binary


def test_scores_that_break_the_promise_of_being_binary_are_refused():
    sequential = SequentialJudge("math", margin=0.02, planned_n=400, binary=True)
    with pytest.raises(TaskError, match="neither 0 nor 1"):
        sequential.update(results([0.5]), results([0.5]))


def test_item_given_twice_is_refused():
    sequential = SequentialJudge("math", margin=0.02, planned_n=400)
    sequential.update(results([1.0] * 5), results([1.0] * 5))
    with pytest.raises(TaskError, match="two blocks"):
        sequential.update(results([1.0], start=4), results([1.0], start=4))


def test_base_at_chance_is_absent_however_many_items_agree():
    base = list((np.random.default_rng(1).random(800) < 0.25).astype(float))
    verdict = feed(SequentialJudge("mmlu", margin=0.02, planned_n=800, chance=0.25), base, base)
    assert verdict.outcome == "absent"
    assert verdict.n == 800


def test_groups_are_bet_on_as_wholes():
    groups = [f"g{i // 4}" for i in range(2000)]
    sequential = SequentialJudge("passages", margin=0.02, planned_n=500, largest_group=4)
    verdict = feed(sequential, [1.0] * 2000, [1.0] * 2000, groups=groups)
    assert verdict.outcome == "kept"
    assert verdict.n == len(sequential.paired.units)
    assert 149 <= verdict.n < 300
    assert sequential.paired.items == 4 * verdict.n


def test_items_that_the_base_lacks_still_use_up_the_plan():
    sequential = SequentialJudge("math", margin=0.02, planned_n=200)
    verdict = feed(sequential, [None] * 100 + [1.0] * 100, [1.0] * 200)
    assert sequential.decided
    assert verdict.n == 100
    assert "100 items left out" in verdict.reason


def test_last_look_is_the_complete_judgement_at_its_share_of_alpha():
    """One look with 0.8 α at the end is a complete judgement at that level."""
    base, tuned = [0.0, 1.0] * 200, [1.0, 0.0] * 4 + [0.0, 1.0] * 196
    sequential = SequentialJudge("math", margin=0.03, planned_n=400, binary=True)
    verdict = feed(sequential, base, tuned)
    complete = judge(results(base), results(tuned), capability="math", margin=0.03, alpha=0.04)
    assert verdict.n == 400
    assert (verdict.outcome, verdict.lower) == (complete.outcome, complete.lower)


def test_several_judges_are_settled_with_holm():
    rng = np.random.default_rng(12)
    weak = SequentialJudge("weak", margin=0.02, planned_n=200)
    feed(weak, [1.0] * 8 + [0.0] + [1.0] * 191, [0.0] * 8 + [1.0] * 192, block=200)
    assert weak.verdict.outcome == "dropped"
    others = [SequentialJudge(f"c{i}", margin=0.02, planned_n=200) for i in range(9)]
    for other in others:
        feed(other, *changed(rng, 200, 0.05, 0.05))
    verdicts = settle_together([weak, *others])
    assert verdicts[0].outcome == "undecided"
    assert "among 10 capabilities" in verdicts[0].reason


def test_a_drop_is_asked_about_until_it_is_shown_among_all_that_are_settled_together():
    base, tuned = [1.0] * 2000, [0.0 if i % 10 == 0 else 1.0 for i in range(2000)]

    def settled(jointly):
        judges = [
            SequentialJudge(f"c{i}", margin=0.02, planned_n=2000, binary=True, jointly=jointly) for i in range(30)
        ]
        for i, one in enumerate(judges):
            feed(one, base, base if i else tuned)
        return settle_together(judges)[0]

    alone, among = settled(1), settled(30)
    assert (alone.outcome, among.outcome) == ("undecided", "dropped")
    assert alone.n < among.n < 500
    assert alone.planned_n == among.planned_n == 2000


def test_a_verdict_that_took_all_items_names_no_plan():
    undecided = feed(SequentialJudge("math", margin=0.02, planned_n=100), [1.0] * 100, [1.0] * 100)
    assert (undecided.n, undecided.planned_n) == (100, None)
