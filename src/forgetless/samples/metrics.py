"""Which of a benchmark's metrics is its score, and what that score is for one item.

A metric counts if it gives every item a number of its own in [0, 1], more being better: verdicts pair items, so a
number over a whole corpus is of no use to them. A likelihood of bytes and their number, of which perplexities are made,
is turned into the probability of a byte, 2 to the power of minus the bits per byte.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

BYTES: Final = ("bits_per_byte", "byte_perplexity")
"""Metrics whose value for one item is a log-likelihood in nats and a number of bytes."""

PREFERRED: Final = ("acc_norm", "acc")


def own_metric(usable: Sequence[str]) -> str:
    """The metric of a benchmark where nobody names one: `acc_norm`, else `acc`, else the first."""
    return next((known for known in PREFERRED if known in usable), usable[0])


def score_of(metric: str, value: Any) -> float | None:
    """The value of a metric for one item as a score in [0, 1]; `None` where it is no such number."""
    if metric in BYTES and isinstance(value, tuple | list) and len(value) == 2:
        log_likelihood, size = value
        value = None
        if _is_number(log_likelihood) and _is_number(size) and size > 0:
            value = math.exp(min(0.0, log_likelihood / size))
    if not isinstance(value, bool | int | float) or not 0.0 <= value <= 1.0:
        return None
    return float(value)


def is_missing(value: Any) -> bool:
    """Whether a metric has no value for an item: nothing, or something with a NaN in it (rule 5)."""
    values = value if isinstance(value, tuple | list) else [value]
    return any(one is None or (isinstance(one, float) and math.isnan(one)) for one in values)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not math.isnan(value)
