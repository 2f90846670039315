"""What every part of a recipe is made of: strict models, and the numbers and lists they share."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _no_yes_or_no(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("`yes`, `no`, `true` and `false` are no numbers")
    return value


Whole = Annotated[int, BeforeValidator(_no_yes_or_no)]
Real = Annotated[float, BeforeValidator(_no_yes_or_no)]
Share = Annotated[Real, Field(gt=0.0, le=1.0)]
Files = Annotated[list[str], Field(min_length=1)]


class Settings(BaseModel):
    """Base of every part: unknown keys are errors, and a number is finite and neither `yes` nor `no`.

    A number in quotes is that number, because YAML itself reads `2e-5` (no point) as text.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
