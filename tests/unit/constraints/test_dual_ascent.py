"""Multipliers and shares in numbers that can be checked by hand."""

from __future__ import annotations

import math

import pytest

from forgetless.constraints import LEAST, MOST, Slack, due, moved, shares_of


def test_a_drop_counts_in_margins_once_noise_is_taken_off() -> None:
    assert Slack(drop=0.042, error=0.006, margin=0.05, budget=0.011).pressure == pytest.approx(0.5)


def test_a_look_at_few_items_counts_in_standard_errors() -> None:
    assert Slack(drop=0.12, error=0.08, margin=0.02, budget=0.0).pressure == pytest.approx(0.5)
    assert Slack(drop=0.07, error=0.08, margin=0.02, budget=0.0).pressure == 0.0


def test_losing_everything_presses_no_harder_than_one() -> None:
    assert Slack(drop=0.9, error=0.01, margin=0.02, budget=0.01).pressure == 1.0


def test_pressure_multiplies_and_ends_at_the_bound() -> None:
    assert moved(1.0, 0.5) == pytest.approx(math.exp(0.5))
    assert moved(moved(1.0, 1.0), 1.0) == pytest.approx(math.exp(2.0))
    assert moved(MOST, 1.0) == MOST
    assert moved(LEAST, -1.0) == LEAST


def test_a_fall_counts_as_far_as_the_run_is_done_and_room_counts_whole() -> None:
    assert due(0.8, 0.25) == pytest.approx(0.2)
    assert due(0.8, 1.0) == 0.8
    assert due(-0.8, 0.25) == -0.8


def test_within_the_budget_a_multiplier_goes_below_the_recipes() -> None:
    assert moved(1.0, -0.5) == pytest.approx(math.exp(-0.5))


def test_a_stream_under_pressure_takes_from_the_others() -> None:
    parts = {"replay": 0.8, "replay/reversing": 0.2}
    free = dict.fromkeys(parts, 1.0)
    shares = shares_of(0.6, parts=parts, multipliers={"replay": 1.0, "replay/reversing": 4.0}, ceilings=free)
    assert shares == pytest.approx({"replay": 0.4, "replay/reversing": 0.2})


def test_few_rows_are_not_repeated_beyond_their_ceiling() -> None:
    parts = {"replay": 0.8, "replay/reversing": 0.2}
    ceilings = {"replay": 0.6, "replay/reversing": 0.15}
    shares = shares_of(0.6, parts=parts, multipliers={"replay": 1.0, "replay/reversing": 16.0}, ceilings=ceilings)
    assert shares == pytest.approx({"replay": 0.45, "replay/reversing": 0.15})


def test_where_nothing_may_give_more_all_give_way_alike() -> None:
    parts = {"a": 0.5, "b": 0.5}
    used_up = shares_of(0.4, parts=parts, multipliers={"a": 1.0, "b": 9.0}, ceilings={"a": 0.0, "b": 0.0})
    assert used_up == pytest.approx({"a": 0.1, "b": 0.3})
    short = shares_of(0.4, parts=parts, multipliers={"a": 1.0, "b": 1.0}, ceilings={"a": 0.1, "b": 0.1})
    assert short == pytest.approx({"a": 0.2, "b": 0.2})
