from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forgetless.reporting import numbers

FORMATS = (numbers.percent, numbers.points, numbers.size, numbers.margin, numbers.amount, numbers.decimal)


@pytest.mark.parametrize("write", FORMATS)
@pytest.mark.parametrize("unknown", [None, math.nan, math.inf, -math.inf])
def test_unknown_number_is_a_dash(write, unknown):
    assert write(unknown) == "–"


def test_unknown_counts_times_and_bounds_are_dashes():
    assert numbers.count(None) == numbers.moment(None) == numbers.bounds(None, 0.1) == numbers.short_hash("") == "–"


def test_signs_of_differences():
    assert numbers.points(-0.0134) == "−1.3"
    assert numbers.points(0.004) == "+0.4"
    assert numbers.points(0.0) == numbers.points(-0.0) == numbers.points(-0.0004) == "0.0"
    assert numbers.bounds(-0.021, 0.003) == "[−2.1, +0.3]"
    assert numbers.size(-0.0134) == "1.3"


def test_known_numbers():
    assert numbers.percent(0.6223) == "62.2%"
    assert numbers.margin(0.02) == "2"
    assert numbers.margin(0.015) == "1.5"
    assert numbers.count(12345) == "12,345"
    assert numbers.amount(1_228_800) == "1.23M"
    assert numbers.amount(9_999) == "9,999"
    assert numbers.amount(737_400) == "737k"
    assert numbers.decimal(0.0015) == "0.0015"
    assert numbers.moment(0.0) == "1970-01-01 00:00 UTC"


@given(st.floats(-1, 1))
def test_points_read_back_to_within_rounding(difference):
    text = numbers.points(difference, 2).replace("−", "-")
    assert float(text) == pytest.approx(100 * difference, abs=0.005001)


@given(st.floats(0, 1e13))
def test_amount_is_short_and_close(number):
    text = numbers.amount(number)
    factor = {"k": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}.get(text[-1], 1.0)
    assert len(text) <= 6
    assert float(text.rstrip("kMBT").replace(",", "")) * factor == pytest.approx(number, rel=0.006, abs=0.51)
