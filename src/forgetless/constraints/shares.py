"""How the tokens of replay are divided among its streams, by the multipliers of what each stream holds.

In: each stream's part when nothing presses, its multiplier, and the most that it can give. Out: its share, and what one
of its tokens weighs. The sum of the shares stays as the recipe has it, so more tokens for one stream are fewer for the
others and never fewer for the domain; those fewer weigh more, so that nothing is held less than its multiplier says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

SHARE_FLOOR: Final = 1 / 4
"""The least that a stream gives, as a part of what it gives when nothing presses."""

_HALVINGS: Final = 80


def shares_of(
    total: float,
    *,
    parts: Mapping[str, float],
    multipliers: Mapping[str, float],
    ceilings: Mapping[str, float],
) -> dict[str, float]:
    """Divide `total` among streams in proportion to part · √multiplier, between a floor and a ceiling for each.

    The root, because what is held harder needs more rows to be held by, and others still need theirs: what is held four
    times as hard has twice the tokens.

    Args:
        total: What all streams have together, above 0.
        parts: Each stream's part when nothing presses, above 0; they add up to 1.
        multipliers: Of each stream, above 0.
        ceilings: The largest share of each. Where all of them together are less than `total` they give way alike.

    Returns:
        The share of each stream, in the order of `parts`; they add up to `total`.
    """
    room = math.fsum(max(0.0, ceilings[name]) for name in parts)
    widened = total / room if 0.0 < room < total else 1.0
    wanted = {name: part * math.sqrt(multipliers[name]) for name, part in parts.items()}
    most = {name: widened * max(0.0, ceilings[name]) if room > 0.0 else total for name in parts}
    least = {name: min(SHARE_FLOOR * total * part, most[name]) for name, part in parts.items()}

    def divided(scale: float) -> dict[str, float]:
        return {name: min(most[name], max(least[name], scale * wanted[name])) for name in parts}

    low, high = 0.0, max(most[name] / wanted[name] for name in parts)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if math.fsum(divided(middle).values()) < total else (low, middle)
    shares = divided(high)
    left = total / math.fsum(shares.values())
    return {name: share * left for name, share in shares.items()}


def token_weights(
    total: float, *, parts: Mapping[str, float], multipliers: Mapping[str, float], shares: Mapping[str, float]
) -> dict[str, float]:
    """What a token of each stream weighs in Σ w · KL / N, where N counts the tokens of all streams.

    A stream with the part p and the share s of `total` has s / total of those tokens, so w = m · p · total / s gives it
    m · p of the sum however many they are: λ says how hard it is held, its share by how many rows. Beyond 1 /
    `SHARE_FLOOR` nothing is made up for, as where a stream has hardly a row left to give.

    Args:
        total, parts, multipliers: As for `shares_of`.
        shares: What that gave.
    """
    most = 1 / SHARE_FLOOR
    return {
        name: multipliers[name] * (min(most, part * total / shares[name]) if shares[name] > 0.0 else most)
        for name, part in parts.items()
    }
