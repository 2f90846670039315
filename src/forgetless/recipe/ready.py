"""The ready sets by name, and the short ways to name them under `keep`.

`keep` is a mapping of names to a task and a margin. An entry without a task means the ready set of its own name, and
a list of names is such a mapping without settings; `general` stands for several sets at once. Here the short forms
are written out, so that everything behind the schema sees one form only.
"""

from __future__ import annotations

import difflib
from typing import Any, Final, Literal, get_args

ReadyName = Literal[
    "instruction_following",
    "knowledge",
    "maths",
    "code",
    "common_sense",
    "chinese",
    "in_context_learning",
    "refusal",
    "diversity",
    "format_freedom",
]

READY_SETS: Final[tuple[str, ...]] = get_args(ReadyName)

BUNDLES: Final[dict[str, tuple[str, ...]]] = {
    "general": (
        "instruction_following",
        "knowledge",
        "maths",
        "code",
        "common_sense",
        "chinese",
        "in_context_learning",
        "refusal",
    )
}
"""Names that stand for several sets: `general` is what needs no domain and samples nothing."""

READY_MARGIN_POINTS: Final = 5.0
_MARGINS: Final = {"knowledge": 6.0, "common_sense": 7.0, "refusal": 8.0, "diversity": 10.0}


def ready_margin(name: str) -> float:
    """The margin in points of a ready set that is given none: about the least that its items can certify."""
    return _MARGINS.get(name, READY_MARGIN_POINTS)


def write_out(keep: Any) -> Any:
    """`keep` with every short form written out; what is no short form is left to the schema.

    Raises:
        ValueError: A name without a task is no ready set, or a list holds something else than different names.
    """
    if isinstance(keep, str):
        raise ValueError(f"`keep` is a list of names or a mapping; write `keep: [{keep}]`")
    if isinstance(keep, list):
        if not all(isinstance(name, str) for name in keep) or len(set(keep)) < len(keep):
            raise ValueError("a list under `keep` holds names of ready sets, each once; with settings, write a mapping")
        keep = dict.fromkeys(keep)
    if not isinstance(keep, dict):
        return keep
    # What is named by itself stands before what comes with a bundle.
    return {
        inner: written
        for name, entry in keep.items()
        for inner, written in _entries(name, entry).items()
        if inner == name or inner not in keep
    }


def _entries(name: Any, entry: Any) -> dict[Any, Any]:
    settings = {} if entry is None else entry
    if not isinstance(settings, dict) or not settings.keys() <= {"margin_points"}:
        return {name: entry}
    if name in BUNDLES:
        return {member: _ready(member, settings) for member in BUNDLES[name]}
    if name in READY_SETS:
        return {name: _ready(name, settings)}
    raise ValueError(_no_such_set(name))


def _ready(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    return {"task": {"type": "ready", "set": name}, **settings}


def _no_such_set(name: Any) -> str:
    known = (*BUNDLES, *READY_SETS)
    near = difflib.get_close_matches(str(name), known, n=1)
    advice = f"did you mean `{near[0]}`?" if near else f"the ready sets are {', '.join(known)}"
    return f"`{name}` has no `task`, and no ready set is called so; {advice}"
