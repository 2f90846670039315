"""Dual ascent: how hard each capability is held, by what its constraint costs at the moment.

In go measured drops and what they may be; out come a multiplier for every capability and shares of the mixture. Pure
functions on numbers, for the whole of a run's state is one multiplier for each capability. The rule is told in
`docs/concepts/budget.md`.
"""

from forgetless.constraints.ascent import LEAST, MOST, MOST_BRAKE, Slack, braked, due, moved
from forgetless.constraints.shares import SHARE_FLOOR, shares_of, token_weights

__all__ = [
    "LEAST",
    "MOST",
    "MOST_BRAKE",
    "SHARE_FLOOR",
    "Slack",
    "braked",
    "due",
    "moved",
    "shares_of",
    "token_weights",
]
