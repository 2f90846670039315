"""A verdict that is reached as soon as it may be: items come in random order, block by block.

In go successive blocks of both models' results; out comes the verdict so far, and the word when to stop asking. The
order must be random and fixed beforehand: then each further block is a fresh draw, and the bets may be looked at after
every item without paying for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from forgetless.errors import TaskError
from forgetless.records import ItemResult, Verdict
from forgetless.verdicts import binary as counts
from forgetless.verdicts.betting import BettingTest
from forgetless.verdicts.evidence import Chosen, Evidence, bounds, present_by_counts, weigh
from forgetless.verdicts.outcome import settle, settle_all, unsettled
from forgetless.verdicts.paired import PairedDifferences, group_id, pair
from forgetless.verdicts.terms import Terms

BETTING_SHARE = 0.2
"""Rule 8. Share of α that the bets may spend while sampling, when the rest waits for one look at the planned end."""


@dataclass(slots=True)
class _Tests:
    """The four hypotheses that are bet against, item by item, at level `alpha` but for the last two."""

    alpha: float
    kept: BettingTest
    """"The mean difference is at most −margin"; rejecting it shows that the capability is kept."""
    beyond: BettingTest
    """"It is at least −margin"; rejecting it shows a drop beyond the margin."""
    drop: BettingTest
    """"It is at least −noise"; rejecting it, at `alpha` over the capabilities settled together, shows a drop."""
    present: BettingTest
    """"The base scores at most chance + margin"; rejecting it shows that there is something to keep (rule 12b)."""
    stopped: bool = False

    @classmethod
    def on(cls, terms: Terms, alpha: float, jointly: int) -> _Tests:
        def test(mu0: float, alpha: float = alpha) -> BettingTest:
            return BettingTest(
                mu0, alpha=alpha, margin=terms.margin, discordance=terms.discordance, list_size=terms.list_size
            )

        # Scores s in [0, 1] are bet on as 2s − 1; knowing the discordance does not help there.
        present = BettingTest(
            2 * (terms.chance + terms.margin) - 1, alpha=terms.alpha, margin=terms.margin, list_size=terms.list_size
        )
        drop = test(terms.noise, alpha / jointly)
        return cls(alpha, kept=test(-terms.margin), beyond=test(terms.margin), drop=drop, present=present)

    def stop_within(self, block: PairedDifferences, *, seen: int, floor: int) -> int | None:
        """How many units of the block to take when these tests stop within it, else `None`."""
        kept = _ever(self.kept, self.kept.path(block.for_kept, block.weights))
        present = _ever(self.present, self.present.path(2 * block.base - 1, block.weights))
        beyond = _ever(self.beyond, self.beyond.path(-block.for_dropped, block.weights))
        shown = _ever(self.drop, self.drop.path(-block.for_dropped, block.weights))
        n = seen + np.arange(1, block.n + 1)
        stops = np.flatnonzero((kept & present & (n >= floor)) | (beyond & shown & (n >= 2)))
        return int(stops[0]) + 1 if len(stops) else None

    def bet(self, block: PairedDifferences) -> None:
        """Places the bets on all units of the block."""
        self.kept.update(block.for_kept, block.weights)
        self.beyond.update(-block.for_dropped, block.weights)
        self.drop.update(-block.for_dropped, block.weights)
        self.present.update(2 * block.base - 1, block.weights)


class SequentialJudge:
    """Rule 3. Judges one capability while its items come in, and stops on kept, on U < −m, or when they run out.

    A measurable drop within the margin (U < 0) never stops it: stopping there would decide small drops by a coin toss.
    Items of a block that come after the stop are not counted. Once stopped the verdict is latched, and says how many
    items were planned.

    Rule 8. With `binary` scores the bets run at α/5, and at the planned end one look at Tango's bound with its gate
    takes the other 0.8 α. Otherwise the bets have all of α.

    Args:
        capability: Its name.
        margin: The most that it may drop (0.02 is 2 points).
        planned_n: Items, or groups where items share one, that will be asked at most; fixed beforehand.
        alpha: One-sided level.
        chance: Score of guessing.
        noise: Upper bound of the base's difference from itself.
        discordance: Mean of d² on the dev part, to size the bets; `None` when not known.
        binary: Whether every score is 0 or 1 and items stand alone. `None` lets the first block tell; should a later
            block then differ, the bets go on with their share of α and the last look is left out.
        largest_group: Size of the task's largest group. Groups must come whole, within one block.
        list_size: Rule 11. Items of the list that alone the claim is about, those that the base has a score for. Items
            must then come in random order; in groups, which do not, nothing is decided before the whole list is asked.
        jointly: How many capabilities `settle_together` will settle. A drop beyond the margin stops the sampling once
            it is shown among so many, for Holm's step-down would leave it undecided before.

    Raises:
        TaskError: Terms that cannot be judged, or from `update` results that break the arguments above.
    """

    def __init__(
        self,
        capability: str,
        *,
        margin: float,
        planned_n: int,
        alpha: float = 0.05,
        chance: float = 0.0,
        noise: float = 0.0,
        discordance: float | None = None,
        binary: bool | None = None,
        largest_group: int = 1,
        list_size: int | None = None,
        jointly: int = 1,
    ) -> None:
        self.terms = Terms(capability, margin, alpha, chance, noise, discordance, list_size)
        self.planned_n = planned_n
        # On a list the end needs no look of its own: there everything is known.
        self.binary = False if list_size is not None else binary
        self._must_be_binary = self.binary is True
        self.decided = False
        self._largest_group = largest_group
        self._jointly = jointly
        self._stopped_early = False
        self._tests: _Tests | None = None
        self._asked: set[str] = set()
        self._verdict: Verdict | None = None
        self.paired = pair([], [])

    def update(self, base_results: Sequence[ItemResult], tuned_results: Sequence[ItemResult]) -> bool:
        """Takes in the next block of items, answered by both models, and says whether the judge has decided.

        After that further blocks change nothing.
        """
        if not self.decided:
            self._take(base_results, tuned_results)
        return self.decided

    def finish(self) -> Verdict:
        """Ends the sampling without a stop: the items have run out, or the time for them (never on seeing results)."""
        self.decided = True
        return self.verdict

    @property
    def evidence(self) -> Evidence | None:
        """What the items show so far; `None` below two units."""
        if self._tests is None or self.paired.n < 2 or self._waits_for_the_list():
            return None
        evidence = self._from_bets(self._tests)
        ran_out = self.decided and not self._tests.stopped
        return self._last_look(evidence) if ran_out and self.binary else evidence

    @property
    def verdict(self) -> Verdict:
        """The verdict so far: undecided until the judge has decided, and latched after that."""
        if self._verdict is None:
            evidence = self.evidence
            if self.decided:
                drop_shown = evidence is not None and evidence.drop_p <= self.terms.alpha
                self._verdict = self.with_plan(settle(self.paired, evidence, self.terms, drop_shown=drop_shown))
            else:
                self._verdict = unsettled(self.paired, evidence, self.terms, self._progress())
        return self._verdict

    def with_plan(self, verdict: Verdict) -> Verdict:
        """A verdict on these items that says how many there might have been, where not all of them were needed."""
        return replace(verdict, planned_n=self.planned_n) if self._stopped_early else verdict

    def _take(self, base_results: Sequence[ItemResult], tuned_results: Sequence[ItemResult]) -> None:
        block = pair(base_results, tuned_results, largest_group=self._largest_group)
        asked = {group_id(result) for result in base_results}
        self._check(block, asked)
        self.binary = block.binary and self.binary is not False
        tests = self._tests = self._tests or self._first_tests()
        waits = self._waits_for_the_list()
        stop = None if waits else tests.stop_within(block, seen=self.paired.n, floor=self.terms.floor)
        taken = block if stop is None else block.head(stop)
        tests.bet(taken)
        tests.stopped = stop is not None
        self.paired = self.paired.joined(taken)
        self._asked |= asked
        ran_out = len(self._asked) >= self.planned_n
        self._stopped_early = tests.stopped and (taken.n < block.n or not ran_out)
        self.decided = tests.stopped or ran_out
        self._verdict = None

    def _first_tests(self) -> _Tests:
        return _Tests.on(self.terms, self.terms.alpha * (BETTING_SHARE if self.binary else 1.0), self._jointly)

    def _from_bets(self, tests: _Tests) -> Evidence:
        if self.terms.list_size is not None and self.paired.items >= self.terms.list_size:
            return weigh(self.paired, self.terms)
        by: Chosen = "betting" if self.terms.list_size is None else "list"
        lower, upper = bounds(self.paired, self.terms, tests.alpha, by=by)
        # Wealth that has once been reached is a bound as well, even if some of it was lost since: just inside the
        # rejected mean.
        if tests.kept.rejected:
            lower = max(lower, math.nextafter(-self.terms.margin, 1.0))
        if tests.drop.p_value <= tests.alpha:
            upper = min(upper, math.nextafter(-self.terms.noise, -1.0))
        if tests.beyond.rejected:
            upper = min(upper, math.nextafter(-self.terms.margin, -1.0))
        return Evidence(
            lower=lower,
            upper=upper,
            interval=bounds(self.paired, self.terms, self.terms.alpha / 2, by=by),
            drop_p=min(1.0, tests.drop.p_value * self.terms.alpha / tests.alpha),
            present=tests.present.rejected,
            method="hybrid" if self.binary else by,
        )

    def _last_look(self, evidence: Evidence) -> Evidence:
        """Rule 8. The one look at the counts, with the share of α that the bets have left."""
        share = 1 - BETTING_SHARE
        lower, upper = bounds(self.paired, self.terms, share * self.terms.alpha, by="binary")
        exact = counts.drop_p_value(*self.paired.best_counts(), self.paired.n, noise=self.terms.noise)
        return Evidence(
            lower=max(evidence.lower, lower),
            upper=min(evidence.upper, upper),
            interval=evidence.interval,
            drop_p=min(evidence.drop_p, exact / share),
            # Bets ask for far more than the counts to see an ability that lies a little above chance.
            present=evidence.present or present_by_counts(self.paired, self.terms),
            method=evidence.method,
        )

    def _waits_for_the_list(self) -> bool:
        """Rule 11. Groups come in no random order of items, so a part of their list shows nothing of the rest."""
        size = self.terms.list_size
        return size is not None and self._largest_group > 1 and self.paired.items < size

    def _progress(self) -> str:
        return f"{len(self._asked)} of {self.planned_n} {'items' if self._largest_group == 1 else 'groups'} seen"

    def _check(self, block: PairedDifferences, asked: set[str]) -> None:
        again = self._asked & asked
        if again:
            raise TaskError(
                field=f"{self.terms.capability}.items",
                value=sorted(again)[0],
                rule="An item or group was given in two blocks; each is one bet.",
                way_out="Give each group whole, in one block, and each item once.",
            )
        if self._must_be_binary and not block.binary:
            raise TaskError(
                field=f"{self.terms.capability}.binary",
                value=True,
                rule="A score is neither 0 nor 1, or items share a group.",
                way_out="Judge this capability with `binary=False`.",
            )


def settle_together(judges: Sequence[SequentialJudge]) -> list[Verdict]:
    """Rule 2. Final verdicts of several judges, with Holm's step-down over all of them for `dropped`.

    Ends the sampling of those that are still undecided. A judge that was asked nothing counts among them, so that the
    level does not depend on how many were asked.
    """
    for judge in judges:
        judge.finish()
    verdicts = settle_all(
        [judge.paired for judge in judges], [judge.evidence for judge in judges], [judge.terms for judge in judges]
    )
    return [judge.with_plan(verdict) for judge, verdict in zip(judges, verdicts, strict=True)]


def _ever(test: BettingTest, path: NDArray[np.float64]) -> NDArray[np.bool_]:
    """For each further item, whether the test has rejected by then."""
    rejected: NDArray[np.bool_] = np.logical_or.accumulate(path >= test.log_threshold) | test.rejected
    return rejected
