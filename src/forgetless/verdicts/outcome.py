"""From evidence to a verdict, and to a sentence that says why.

In go evidence, the counts and the terms; out comes the `Verdict`. This is the only place that names an outcome of a
capability, so that complete results and sequential ones cannot disagree about what a word means.
"""

from __future__ import annotations

from collections.abc import Sequence

from forgetless.records import Outcome, Verdict
from forgetless.verdicts.evidence import Evidence
from forgetless.verdicts.multiplicity import holm
from forgetless.verdicts.paired import PairedDifferences
from forgetless.verdicts.terms import Terms, points


def settle(
    paired: PairedDifferences, evidence: Evidence | None, terms: Terms, *, drop_shown: bool, jointly: int = 1
) -> Verdict:
    """Rule 2. The verdict that the evidence allows.

    Args:
        paired: The judged differences.
        evidence: `None` when there are fewer than two units to judge (rule 4).
        terms: What was agreed before.
        drop_shown: Whether the drop's p-value is rejected, after Holm's step-down where several are judged at once.
        jointly: How many capabilities were judged at once, for the wording.
    """
    if evidence is None:
        reason = f"needs at least 2 {_units(paired)}, has {paired.n}"
        return _verdict(paired, None, terms, "undecided", _with_missing(paired, terms, reason))
    outcome = _outcome(evidence, paired.n, terms, drop_shown)
    reason = _with_missing(paired, terms, _reason(paired, evidence, terms, outcome, jointly))
    return _verdict(paired, evidence, terms, outcome, reason)


def settle_all(
    paired: Sequence[PairedDifferences], evidence: Sequence[Evidence | None], terms: Sequence[Terms]
) -> list[Verdict]:
    """Rule 2. Verdicts on several capabilities at once: Holm's step-down over all of them decides which dropped."""
    p_values = [found.drop_p if found else 1.0 for found in evidence]
    return [
        settle(differences, found, one, drop_shown=holm(p_values, one.alpha)[i], jointly=len(terms))
        for i, (differences, found, one) in enumerate(zip(paired, evidence, terms, strict=True))
    ]


def unsettled(paired: PairedDifferences, evidence: Evidence | None, terms: Terms, reason: str) -> Verdict:
    """A verdict that is still undecided for the given reason, with whatever bounds there are so far."""
    return _verdict(paired, evidence, terms, "undecided", _with_missing(paired, terms, reason))


def _outcome(evidence: Evidence, n: int, terms: Terms, drop_shown: bool) -> Outcome:
    """Rules 2, 4 and 12b. A drop beyond the margin proves that there was something to drop, so it is never absent.

    Below the floor nothing is shown of the base either: a few items are no reason to say that it has no such ability.
    """
    if n < terms.floor:
        return "dropped" if drop_shown else "undecided"
    if not evidence.present and not evidence.upper < -terms.margin:
        return "absent"
    if evidence.lower > -terms.margin:
        return "kept"
    return "dropped" if drop_shown else "undecided"


def _reason(paired: PairedDifferences, evidence: Evidence, terms: Terms, outcome: Outcome, jointly: int) -> str:
    margin = points(terms.margin)
    if outcome == "absent":
        return (
            f"the base's score is not shown to lie above chance ({points(terms.chance)}) by more than the margin "
            f"of {margin}, so no loss can be shown either"
        )
    if outcome == "kept":
        drop = "a small drop, and " if evidence.upper < 0 else ""
        return f"{drop}at worst {points(evidence.lower)}, which is above the margin of -{margin}"
    if outcome == "dropped":
        beyond = f", beyond the margin of -{margin}" if evidence.upper < -terms.margin else ""
        return f"at best {points(evidence.upper)}{beyond}"
    if paired.n < terms.floor:
        return f"needs at least {terms.floor} {_units(paired)} to certify {margin}, has {paired.n}"
    if evidence.upper < -terms.noise:
        return f"at best {points(evidence.upper)} by itself, which is not enough among {jointly} capabilities"
    if evidence.upper < 0:
        return f"at best {points(evidence.upper)}, which is within the noise of {points(terms.noise)}"
    return (
        f"between {points(evidence.lower)} and {points(evidence.upper)}: both a drop of {margin} and none are possible"
    )


def _with_missing(paired: PairedDifferences, terms: Terms, reason: str) -> str:
    """Rules 5 and 11. The share of missing answers is always said, and that a claim is about a list alone."""
    if terms.list_size is not None:
        reason += f"; on this list of {terms.list_size} items"
    if paired.missing:
        share = 100 * paired.missing / paired.items
        reason += f"; {paired.missing} of {paired.items} answers missing ({share:.1f} %), counted as the worst case"
    if paired.left_out:
        reason += f"; {paired.left_out} items left out, the base has no score for them"
    return reason


def _units(paired: PairedDifferences) -> str:
    return "items" if paired.n == paired.items else "groups of items"


def _verdict(
    paired: PairedDifferences, evidence: Evidence | None, terms: Terms, outcome: Outcome, reason: str
) -> Verdict:
    return Verdict(
        capability=terms.capability,
        outcome=outcome,
        n=paired.n,
        alpha=terms.alpha,
        margin=terms.margin,
        base_score=paired.base_mean,
        tuned_score=paired.tuned_mean,
        estimate=paired.estimate,
        lower=evidence.lower if evidence else None,
        upper=evidence.upper if evidence else None,
        interval=evidence.interval if evidence else None,
        losses=paired.losses,
        gains=paired.gains,
        missing=paired.missing,
        noise=terms.noise,
        target="population" if terms.list_size is None else "list",
        losses_beyond_guessing=_beyond_guessing(paired, paired.losses, terms),
        gains_beyond_guessing=_beyond_guessing(paired, paired.gains, terms),
        measurable=evidence is not None and evidence.upper < 0,
        beyond_margin=evidence is not None and evidence.upper < -terms.margin,
        method=evidence.method if evidence else "",
        reason=reason,
    )


def _beyond_guessing(paired: PairedDifferences, flips: int, terms: Terms) -> float | None:
    """Flips less those that guessing explains; `None` where nothing can be guessed or scores are graded."""
    if not terms.chance or not paired.right_or_wrong:
        return None
    return max(0.0, flips - paired.flips_by_guessing(terms.chance))
