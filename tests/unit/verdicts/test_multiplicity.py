"""Holm's step-down and the level of repeated looks."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from forgetless.verdicts import alpha_of_look, holm, holm_adjusted


@pytest.mark.parametrize("seed", range(5))
def test_holm_agrees_with_statsmodels(seed):
    p_values = np.random.default_rng(seed).beta(0.3, 2, size=9)
    rejected, adjusted, _, _ = multipletests(p_values, alpha=0.05, method="holm")
    assert holm(list(p_values), 0.05) == list(rejected)
    assert holm_adjusted(list(p_values)) == pytest.approx(adjusted)


def test_holm_stops_at_the_first_failure():
    assert holm([0.001, 0.03, 0.04], 0.05) == [True, False, False]
    assert holm([], 0.05) == []


def test_looks_never_spend_more_than_alpha():
    assert alpha_of_look(0.05, 1) == pytest.approx(0.025)
    assert sum(alpha_of_look(0.05, look) for look in range(1, 2000)) < 0.05
    with pytest.raises(ValueError, match="counted from 1"):
        alpha_of_look(0.05, 0)
