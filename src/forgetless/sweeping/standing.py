"""Where a trial stands among others: first what it holds, then what it has learnt.

In: a look at the dev part, and what training may lose of each ability (rule 15). Out: an order. A trial that holds
everything comes before any that does not; among the former the domain decides, among the latter how little the worst
loss is too large.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from forgetless.records import CapabilityScore, Evaluation


@dataclass(frozen=True, slots=True)
class Standing:
    """A trial as the checkpoint that it would ship.

    Attributes:
        step: The checkpoint's step.
        domain: Its domain score.
        worst: The ability that has lost most of its margin beyond what it may lose; `None` where nothing was there.
        change: How far that ability has moved, tuned − base.
        lost: Abilities that were seen to fall (rules 2 and 13), by more than rule 15 lets training lose.
        excess: The largest loss of these beyond what may be lost, as a share of the ability's margin; 0 without any.
        broke: Why training broke down, if it did; nothing else is known of such a trial.
    """

    step: int
    domain: float | None
    worst: str | None
    change: float | None
    lost: tuple[str, ...]
    excess: float
    broke: str | None = None

    @property
    def rank(self) -> tuple[bool, float, float]:
        """Smaller is better."""
        return self.broke is not None, self.excess, 1.0 if self.domain is None else -self.domain


def standing_of(look: Evaluation, budgets: Mapping[str, float]) -> Standing:
    """Where a checkpoint stands by a look at it.

    Args:
        look: Scores and readings on the dev part.
        budgets: What training may lose of each ability, on the scale of the scores.
    """
    excess = {score.capability: _excess(score, budgets[score.capability]) for score in look.capabilities}
    lost = [s.capability for s in look.capabilities if _fell(s) and excess[s.capability] > 0.0]
    worst = max(lost or [s.capability for s in look.capabilities if s.outcome != "absent"],
                key=excess.__getitem__, default=None)  # fmt: skip
    return Standing(
        step=look.step,
        domain=look.domain.score,
        worst=worst,
        change=next((s.estimate for s in look.capabilities if s.capability == worst), None),
        lost=tuple(lost),
        excess=max((excess[name] for name in lost), default=0.0),
    )


def broken(reason: str) -> Standing:
    """Where a trial stands whose training broke down: behind all others."""
    return Standing(step=0, domain=None, worst=None, change=None, lost=(), excess=0.0, broke=reason)


def ranked(standings: Mapping[str, Standing]) -> list[str]:
    """The trials by how they stand, the best first; of two that stand alike the earlier one comes first."""
    return sorted(standings, key=lambda name: standings[name].rank)


def _fell(score: CapabilityScore) -> bool:
    return score.watch or score.alarm or score.outcome == "dropped"


def _excess(score: CapabilityScore, budget: float) -> float:
    """What was lost beyond the budget, as a share of the margin."""
    if score.estimate is None or not score.margin:
        return 0.0
    return (-score.estimate - budget) / score.margin
