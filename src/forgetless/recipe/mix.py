"""`mix: default`: the shares of a small team's mixture, so that a recipe need not set any.

General instructions, rows that the base answers itself and a little raw text beside the domain. Here the short form is
written out, so that everything behind the schema sees shares only.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from forgetless.errors import RecipeError

DEFAULT_SHARES: Final = {"general": 0.15, "replay": 0.3, "text": 0.05}
"""Of all training tokens; a kind that has no source gives its share to the domain (`bench/mixtures.py`)."""


def write_out_mix(data: Any) -> Any:
    """A recipe's content with the shares of `mix: default` written into its sources and its replay.

    Sources of one kind have equal shares. Replay is added where there is none.

    Raises:
        RecipeError: A share is set by hand as well, or the mix is unknown.
    """
    if not isinstance(data, dict) or "mix" not in data:
        return data
    data = dict(data)
    if (name := data.pop("mix")) != "default":
        raise RecipeError(
            field="mix", value=name, rule="the only ready mixture is `default`", way_out="write it, or leave `mix` out"
        )
    sources, replay = data.get("sources"), data.get("replay")
    replay = {} if replay is None else replay
    parts = [*sources.values()] if isinstance(sources, dict) else []
    if not isinstance(replay, dict) or not parts or not all(isinstance(part, dict) for part in parts):
        return data
    for place, part in (*((f"sources.{name}", part) for name, part in sources.items()), ("replay", replay)):
        if part.get("share") is not None:
            raise RecipeError(
                field=f"{place}.share",
                value=part["share"],
                rule="`mix: default` sets all shares",
                way_out="leave this one out, or leave `mix` out",
            )
    many = Counter(str(part.get("kind")) for part in parts)
    shares = {kind: share for kind, share in DEFAULT_SHARES.items() if kind in (*many, "replay")}
    shares["domain"] = 1.0 - sum(shares.values())
    return data | {
        "sources": {name: part | _share(shares, many, str(part.get("kind"))) for name, part in sources.items()},
        "replay": replay | {"share": shares["replay"]},
    }


def _share(shares: dict[str, float], many: Counter[str], kind: str) -> dict[str, float]:
    return {"share": shares[kind] / many[kind]} if kind in shares else {}
