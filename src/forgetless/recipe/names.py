"""Names that a recipe may use and what is said to one that it may not: how an adapter starts, parts of a model, and how
tokens are weighed.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator

_CHANGES_THE_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")
_STARTS = "`default`, `gaussian` or `null_space`"
_NOT_SUPPORTED = {
    "eva": "needs a pass over the data before training",
    "orthogonal": "starts at the base only up to rounding",
    "mica": "freezes the half of the adapter that starts as nothing here",
}


def _starts_as_nothing(value: object) -> object:
    """The base is what the model answers without the adapter, so an adapter has to start as nothing."""
    name = str(value).partition("_niter_")[0]
    if name in _CHANGES_THE_BASE:
        raise ValueError(
            f"`{value}` takes the adapter's start out of the base's own weights, and the base that is left without the "
            f"adapter is another model than the one to be kept; write {_STARTS}"
        )
    if name in _NOT_SUPPORTED:
        raise ValueError(f"`{value}` {_NOT_SUPPORTED[name]}, and is not supported; write {_STARTS}")
    return value


def _names_a_part(value: str) -> str:
    found = re.fullmatch(r"embeddings|head|layers (\d+)(?:-(\d+))?", value)
    if found is None or (found[2] is not None and int(found[2]) < int(found[1])):
        raise ValueError(
            "`freeze` takes `embeddings`, `head`, one layer (`layers 3`) or a range of them (`layers 0-5`)"
        )
    return value


DomainWeights = Literal["none", "eaft", "stm", "flow", "dft", "asft"]
"""How the domain's tokens are weighed, by the names under which the rules were published."""

AdapterStart = Annotated[Literal["default", "gaussian", "null_space"], BeforeValidator(_starts_as_nothing)]
ModelPart = Annotated[str, AfterValidator(_names_a_part)]
