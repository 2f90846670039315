"""The walk out from the base: which step of base + a·(tuned − base) may be certified.

In goes a test of one candidate θ(a), out come the steps taken. Moving outward from the base and stopping at the first
failure is a fixed-sequence test, so every step keeps the whole α; walking inward from the tuned model until something
passes would certify falsely in 12 to 26 % of runs. The sequence idea is that of Angelopoulos et al., "Learn then Test"
(arXiv 2110.01052).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

from forgetless.records import PathStep, Verdict

POSITIONS = (0.25, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0)
"""Rule 16. The tested positions; 0 is the base, certified by construction and never tested."""


def stands(verdict: Verdict) -> bool:
    """Whether a capability lets a candidate pass: it is kept, or absent with no drop to be seen.

    *Absent* is what the items could not show. Where an ability lies a little above chance and margin together they
    often cannot, and see it fall nevertheless (rule 12b).
    """
    return verdict.outcome == "kept" or (verdict.outcome == "absent" and not verdict.measurable)


def passes(verdicts: Iterable[Verdict]) -> bool:
    """Whether a candidate passes: something is kept, and everything stands."""
    found = list(verdicts)
    return any(verdict.outcome == "kept" for verdict in found) and all(map(stands, found))


def walk_outward(
    test: Callable[[float], tuple[Verdict, ...]],
    *,
    positions: Sequence[float] = POSITIONS,
    domain_dev_score: Callable[[float], float | None] | None = None,
) -> Iterator[PathStep]:
    """Rule 16. Tests candidates from small a to large, yields each step, and stops after the first that fails.

    Args:
        test: Verdicts of every kept capability for θ(a) on the test part, each at the full α.
        positions: Increasing, in (0, 1], fixed before the test part is touched.
        domain_dev_score: Domain score of θ(a) on the dev part, asked only for candidates that pass.
    """
    _check_positions(positions)
    for a in positions:
        verdicts = test(a)
        passed = passes(verdicts)
        score = domain_dev_score(a) if passed and domain_dev_score is not None else None
        yield PathStep(a=a, passed=passed, verdicts=verdicts, domain_dev_score=score)
        if not passed:
            return


def certified_position(steps: Iterable[PathStep], *, base_dev_score: float | None = None) -> float:
    """Rule 16. The certified a to ship: best dev-part domain score, and farthest from the base among equals.

    Without dev-part scores it is the farthest certified step; 0, the base itself, where nothing passed or helped.
    """
    passed = [step for step in steps if step.passed]
    scored = [(step.domain_dev_score, step.a) for step in passed if step.domain_dev_score is not None]
    if not scored:
        return max((step.a for step in passed), default=0.0)
    if base_dev_score is not None:
        scored.append((base_dev_score, 0.0))
    return max(scored)[1]


def _check_positions(positions: Sequence[float]) -> None:
    if any(after <= before for before, after in pairwise([0.0, *positions])) or max(positions, default=1.0) > 1.0:
        raise ValueError(f"positions must increase within (0, 1], got {tuple(positions)}")
