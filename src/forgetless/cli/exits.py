"""Exit codes: what a script learns from a verdict."""

from __future__ import annotations

from collections.abc import Iterable

from forgetless.records import Verdict

KEPT, DROPPED, MISUSE, UNDECIDED = 0, 1, 2, 3


def exit_code(verdicts: Iterable[Verdict]) -> int:
    """1 if anything dropped, else 3 if anything is undecided or nothing is kept, else 0; absent is never kept."""
    outcomes = {v.outcome for v in verdicts}
    if "dropped" in outcomes:
        return DROPPED
    return UNDECIDED if "undecided" in outcomes or "kept" not in outcomes else KEPT
