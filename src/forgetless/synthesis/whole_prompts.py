"""User messages that a model writes by itself: drawn in rounds until enough of them are whole."""

from __future__ import annotations

import math
from collections.abc import Callable

from forgetless.errors import ModelError
from forgetless.rundir import content_hash

_ROUNDS = 20
_LEAST_WHOLE_SHARE = 0.02
"""A model of whose self-written prompts fewer than this share come to an end is given up on."""
_DRAWS_BEFORE_GIVING_UP = 100


def whole_prompts(
    n: int,
    draw: Callable[[int, int], list[str]],
    *,
    seed: int,
    max_new_tokens: int,
) -> list[str]:
    """`n` messages, those that are empty or did not come to an end drawn again.

    Args:
        n: How many.
        draw: Called with a number of draws and their seed; gives back the texts, empty where one came to no end.
        seed: Decides all draws.
        max_new_tokens: Where a draw is cut off, for the error.

    Raises:
        ModelError: Too few draws come to an end.
    """
    written: list[str] = []
    drawn = 0
    for round_number in range(_ROUNDS):
        missing = n - len(written)
        if missing <= 0 or len(written) < _LEAST_WHOLE_SHARE * (drawn - _DRAWS_BEFORE_GIVING_UP):
            break
        # After the first round: as many as the share that came to an end so far asks for.
        share = (len(written) + 1) / (drawn + 1)
        draws = math.ceil(missing * min(1.0 / share, 8.0))
        drawn += draws
        texts = draw(draws, int(content_hash(seed, round_number)[:15], 16))
        written += [text.strip() for text in texts if text.strip()]
    if len(written) < n:
        raise _writes_no_prompts(len(written), drawn, max_new_tokens)
    return written[:n]


def _writes_no_prompts(whole: int, drawn: int, max_new_tokens: int) -> ModelError:
    return ModelError(
        field="replay.prompts",
        value="self",
        rule=f"of {drawn} user messages that the model wrote by itself only {whole} were whole; the others were empty "
        f"or did not end within {max_new_tokens} tokens",
        way_out="give prompt files under `replay.prompts`, or raise `replay.max_prompt_tokens`",
    )
