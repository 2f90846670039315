"""Intervals for arms that are trained with several seeds and asked the same items: a bootstrap over both.

Scores go in, a row for each seed; out come estimates with 95 % intervals, of seeds and, within them, items drawn with
replacement. Draws are the same for every arm, so two arms are compared in pairs. With one seed items alone are drawn,
and with few the intervals are too narrow: seeds that were not tried differ by more than those drawn again.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DRAWS = 1000


@cache
def weights(what: str, count: int) -> Floats:
    """How much each of them counts in the mean of a draw, shape (1 + draws, count); in the first all count alike."""
    rng = np.random.default_rng(list(what.encode()))
    drawn = rng.multinomial(count, np.full(count, 1 / count), size=DRAWS)
    return np.vstack([np.ones(count), drawn]) / count


def changes(after: Mapping[str, Floats], before: Mapping[str, Floats]) -> dict[str, Floats]:
    """The mean change of every task over what was drawn, shape (1 + draws,).

    Args:
        after: By task, the scores of an arm, shape (seeds, items).
        before: By task, what they are compared with: the base's, shape (items,), or another arm's.
    """
    return {
        name: ((weights("seeds", len(found)) @ (found - before[name])) * weights(name, found.shape[1])).sum(axis=1)
        for name, found in after.items()
    }


def told(values: Floats) -> dict[str, Any]:
    """The estimate, which is the first value, and its interval over the others."""
    return {"estimate": float(values[0]), "interval": np.nanquantile(values[1:], (0.025, 0.975)).tolist()}


def in_points(found: Mapping[str, Any] | None, form: str = "{:+.1f}") -> str:
    """An estimate with its interval, in hundredths, as a cell of a table; empty where there is none."""
    if found is None:
        return ""
    return f"{form} ({form} to {form})".format(*(100 * value for value in (found["estimate"], *found["interval"])))
