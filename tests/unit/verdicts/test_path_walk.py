"""The walk out from the base, and the split of items."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from forgetless.records import PathStep, Verdict
from forgetless.verdicts import POSITIONS, certified_position, part_of, passes, stands, walk_outward


def verdict(outcome):
    return Verdict(capability="c", outcome=outcome, n=100, alpha=0.05, margin=0.02)


def walk(fails_at, scores=None):
    tested = []

    def test(a):
        tested.append(a)
        return (verdict("undecided" if a >= fails_at else "kept"),)

    steps = list(walk_outward(test, domain_dev_score=None if scores is None else scores.__getitem__))
    return tested, steps


def test_walk_starts_near_the_base_and_stops_at_the_first_failure():
    tested, steps = walk(0.8)
    assert tested == [0.25, 0.5, 0.7, 0.8]
    assert [step.passed for step in steps] == [True, True, True, False]
    assert certified_position(steps) == 0.7


def test_nothing_is_tested_after_the_consumer_leaves():
    tested = []
    walker = walk_outward(lambda a: tested.append(a) or (verdict("kept"),))
    next(walker)
    assert tested == [0.25]


def test_all_the_way_is_certified_when_nothing_fails():
    tested, steps = walk(2.0)
    assert tuple(tested) == POSITIONS
    assert certified_position(steps) == 1.0


def test_base_is_what_remains_when_the_first_step_fails():
    assert certified_position(walk(0.0)[1]) == 0.0


def test_best_dev_score_among_certified_steps_is_shipped():
    scores = {0.25: 0.3, 0.5: 0.6, 0.7: 0.5, 0.8: 0.9}
    steps = walk(0.8, scores)[1]
    assert steps[-1].domain_dev_score is None
    assert certified_position(steps) == 0.5
    assert certified_position(steps, base_dev_score=0.65) == 0.0


def test_equal_scores_go_to_the_step_farthest_from_the_base():
    steps = [PathStep(a=a, passed=True, verdicts=(), domain_dev_score=0.5) for a in (0.25, 0.5)]
    assert certified_position(steps) == 0.5


def test_absent_fails_a_step_where_a_drop_is_seen():
    seen = replace(verdict("absent"), measurable=True)
    assert stands(verdict("absent"))
    assert not stands(seen)
    assert not passes([verdict("kept"), seen])
    assert passes([verdict("kept"), verdict("absent")])


def test_absent_neither_fails_a_step_nor_passes_one_alone():
    assert passes([verdict("kept"), verdict("absent")])
    assert not passes([verdict("absent")])
    assert not passes([])
    assert not passes([verdict("kept"), verdict("dropped")])


@pytest.mark.parametrize("positions", [(0.5, 0.25), (0.0, 0.5), (0.5, 1.5), (0.5, 0.5)])
def test_positions_that_do_not_lead_outward_are_refused(positions):
    with pytest.raises(ValueError, match="increase"):
        list(walk_outward(lambda a: (verdict("kept"),), positions=positions))


def test_a_third_of_the_groups_is_dev_whatever_the_salt():
    for salt in ("gsm8k", "mmlu"):
        share = np.mean([part_of(f"group-{i}", salt=salt) == "dev" for i in range(6000)])
        assert share == pytest.approx(1 / 3, abs=0.025)


def test_split_is_pinned_and_salts_split_independently():
    assert [part_of(f"item-{i}", salt="gsm8k") for i in range(8)] == PINNED
    both = [(part_of(str(i), salt="a"), part_of(str(i), salt="b")) for i in range(6000)]
    assert np.mean([pair == ("dev", "dev") for pair in both]) == pytest.approx(1 / 9, abs=0.02)


def test_salt_and_id_do_not_run_into_each_other():
    assert any(part_of(f"b{i}", salt="a") != part_of(f"{i}", salt="ab") for i in range(50))


PINNED = ["test", "dev", "test", "test", "test", "test", "test", "test"]
