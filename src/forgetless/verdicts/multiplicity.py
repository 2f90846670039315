"""Several questions at once: Holm's step-down, and the level of a repeated look.

In go p-values or a look's number; out come rejections, or the level that keeps the chance of *any* false alarm at α.
Requiring that *every* capability is kept needs no correction (an intersection–union test); naming the ones
that dropped does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float], alpha: float) -> list[bool]:
    """Rule 2. Holm's step-down: which hypotheses are rejected with family-wise error at most `alpha`.

    The i-th smallest of C p-values is compared with α/(C − i + 1); the first that fails stops the rest.
    """
    return [adjusted <= alpha for adjusted in holm_adjusted(p_values)]


def holm_adjusted(p_values: Sequence[float]) -> list[float]:
    """Holm-adjusted p-values in the order given: the least α at which `holm` rejects each."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order])
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return [float(a) for a in adjusted]


def alpha_of_look(alpha: float, look: int) -> float:
    """Rule 17. The level α/(r(r + 1)) that look r = 1, 2, … at the same items may use; they sum to less than α."""
    if look < 1:
        raise ValueError(f"looks are counted from 1, got {look}")
    return alpha / (look * (look + 1))
