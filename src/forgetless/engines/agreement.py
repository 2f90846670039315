"""Does a server serve the model that is loaded here? Both are asked the same, and their greedy answers compared.

Weights cannot be seen through a server, and a name says little. Greedy answers of one model in two engines differ only
where rounding decides between two tokens that are about equally likely, which is rare in short answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from forgetless.errors import EndpointError
from forgetless.records import Message
from forgetless.sampling import Sampling

from .engine import Engine

TOKENS_COMPARED: Final = 16
LEAST_AGREEING: Final = 0.75
"""Below this share of equal answers the two are not the same model, or not in the same precision."""

_TELLING_DRAWS = 5
"""So many sampled answers that differ from the greedy one, and none at all on the other side, are no chance: where
both sample alike, this happens less than once in a hundred times for sixteen prompts."""

Prompts = Sequence[Sequence[Message]]


class Agreement(NamedTuple):
    """How many prompts were asked, and on how many the greedy answers are the same."""

    asked: int
    agreed: int


def check_agreement(here: Engine, served: Engine, prompts: Prompts, *, temperature: float, field: str) -> Agreement:
    """Compare greedy answers of at most sixteen tokens; where answers are to be sampled, see that they are.

    Args:
        here: The model that is loaded.
        served: The server that is to serve it.
        prompts: Conversations on which models of one family differ, a dozen or so.
        temperature: What the server is to sample with later; 0 for greedy answers.
        field: Where the recipe says that the server serves the model, for errors.

    Raises:
        EndpointError: The answers differ on more than a quarter of the prompts, or the server does not sample.
    """
    expected, found = (engine.generate(prompts, max_new_tokens=TOKENS_COMPARED) for engine in (here, served))
    different = [i for i, (one, other) in enumerate(zip(expected, found, strict=True)) if one != other]
    agreed = len(prompts) - len(different)
    if agreed < LEAST_AGREEING * len(prompts):
        i = different[0]
        raise EndpointError(
            field=field,
            value=f"{agreed} of {len(prompts)} greedy answers agree",
            rule=f"the server does not serve the base: to `{_shortened(prompts[i][-1].content)}` the base answers "
            f"`{_shortened(expected[i])}`, the server `{_shortened(found[i])}`",
            way_out="serve what `model` says as it is loaded here, unquantised and with no other adapter",
        )
    if temperature > 0.0:
        _check_sampling(here, served, prompts, (expected, found), temperature, field)
    return Agreement(len(prompts), agreed)


def _check_sampling(
    here: Engine,
    served: Engine,
    prompts: Prompts,
    greedy: tuple[Sequence[str], Sequence[str]],
    temperature: float,
    field: str,
) -> None:
    drawn = (
        e.generate(prompts, max_new_tokens=TOKENS_COMPARED, sampling=Sampling(temperature)) for e in (here, served)
    )
    here_moved, served_moved = (
        sum(one != other for one, other in zip(fixed, free, strict=True))
        for fixed, free in zip(greedy, drawn, strict=True)
    )
    if here_moved >= _TELLING_DRAWS and served_moved == 0:
        raise EndpointError(
            field=field,
            value=f"temperature {temperature:g}",
            rule=f"the server does not sample: the base gave another than its greedy answer to {here_moved} of "
            f"{len(prompts)} prompts, the server to none",
            way_out="start the server so that each request has its own sampling settings (`transformers serve` "
            "without continuous batching), or set `replay.temperature: 0`",
        )


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else text[:57] + "..."
