"""Alarms along a run: many checkpoints, several capabilities, one error budget.

In go the paired differences of each checkpoint's evaluation; out comes a reading for each capability: a *watch*, which
may move the multipliers, or an *alarm*, which may stop the run. Judging each checkpoint at α by itself would alarm
falsely in a third of all runs; here the chance of any false alarm in the whole run is at most α.

Rule 13. Where each checkpoint is measured on the same list of items, the level is shared out among the planned
evaluations (`FixedListAlarm`). Where each draws fresh items, evidence adds up over checkpoints (`FreshItemsAlarm`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forgetless.verdicts import betting, binary
from forgetless.verdicts.multiplicity import holm

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class AlarmReading:
    """What one checkpoint says about one capability.

    `p_value` is that of this checkpoint alone; `e_value` is the evidence gathered since the start of the run (fresh
    items only). `threshold` is what the e-value must reach or, on a fixed list, what Holm's step-down shares out.
    """

    capability: str
    watch: bool
    alarm: bool
    p_value: float
    e_value: float | None
    threshold: float


class FixedListAlarm:
    """Rule 13. Alarms on a fixed list of items: Holm over the capabilities at level α/K, for K planned evaluations.

    Evaluations beyond the planned ones have no level left: they may watch, never alarm.

    Args:
        margins: The drop to which bets on each capability are tuned where its scores are not right-or-wrong, by name.
            The capabilities are fixed for the run.
        planned: K, the planned evaluations.
        alpha: Chance of any false alarm in the run.
    """

    def __init__(self, margins: Mapping[str, float], *, planned: int, alpha: float = 0.05) -> None:
        _check_plan(margins, planned)
        self.capabilities = tuple(margins)
        self.planned = planned
        self.alpha = alpha
        self.margins = dict(margins)
        self.evaluations = 0

    def update(self, differences_by_capability: Mapping[str, Floats]) -> dict[str, AlarmReading]:
        """Readings of one checkpoint, for the capabilities that were measured at it.

        Args:
            differences_by_capability: For each, tuned − base, shape (units,), in [−1, 1]; where groups differ in size,
                scaled by their weight (`PairedDifferences.weighted_for_dropped`).
        """
        _check_names(differences_by_capability, self.capabilities)
        self.evaluations += 1
        p_values = {name: drop_p_value(d, margin=self.margins[name]) for name, d in differences_by_capability.items()}
        level = self.alpha / self.planned if self.evaluations <= self.planned else 0.0
        # Holm steps over all capabilities; those not measured now stay in the count.
        alarms = holm([p_values.get(name, 1.0) for name in self.capabilities], level)
        return {
            name: AlarmReading(name, p_values[name] < self.alpha, alarm and level > 0, p_values[name], None, level)
            for name, alarm in zip(self.capabilities, alarms, strict=True)
            if name in p_values
        }

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs, as plain JSON data."""
        return {"evaluations": self.evaluations}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes up where `state_dict` left off; the plan itself comes from the recipe."""
        self.evaluations = int(state["evaluations"])


class FreshItemsAlarm:
    """Rule 13. Alarms where every checkpoint draws fresh items: a mixture of e-processes over their starting times.

    For each bet u, R ← (R + 1/K)·Π(1 − u·d_i): a share 1/K of the stake starts betting at each evaluation, so that the
    good times before a late drop do not use up the stake against it. The alarm is raised when the mean of R over u and
    the stake not yet placed, 1 − k/K, together reach C/α for C capabilities.

    Args:
        margins: The drop to which the bets on each capability are tuned, by name. The capabilities are fixed for the
            run.
        planned: K, the planned evaluations. Evaluations beyond it go on betting with what is there.
        alpha: Chance of any false alarm in the run.
    """

    def __init__(self, margins: Mapping[str, float], *, planned: int, alpha: float = 0.05) -> None:
        _check_plan(margins, planned)
        self.capabilities = tuple(margins)
        self.planned = planned
        self.alpha = alpha
        self.margins = dict(margins)
        self._bets = {name: betting.bets_for(margin).sizes for name, margin in margins.items()}
        self._log_wealth = {name: np.full(len(bets), -math.inf) for name, bets in self._bets.items()}
        self._evaluations = dict.fromkeys(self.capabilities, 0)

    def update(self, differences_by_capability: Mapping[str, Floats]) -> dict[str, AlarmReading]:
        """Readings of one checkpoint; arguments as in `FixedListAlarm.update`."""
        _check_names(differences_by_capability, self.capabilities)
        return {name: self._read(name, d) for name, d in differences_by_capability.items()}

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs, as plain JSON data; a wealth of 0 is `None`."""
        return {
            "evaluations": dict(self._evaluations),
            "log_wealth": {
                name: [None if value == -math.inf else float(value) for value in wealth]
                for name, wealth in self._log_wealth.items()
            },
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes up where `state_dict` left off; the plan itself comes from the recipe."""
        self._evaluations = {name: int(state["evaluations"][name]) for name in self.capabilities}
        self._log_wealth = {
            name: np.array([-math.inf if value is None else value for value in state["log_wealth"][name]])
            for name in self.capabilities
        }

    def _read(self, name: str, differences: Floats) -> AlarmReading:
        self._evaluations[name] += 1
        k, planned = self._evaluations[name], self.planned
        started = np.logaddexp(self._log_wealth[name], -math.log(planned)) if k <= planned else self._log_wealth[name]
        with np.errstate(divide="ignore"):
            self._log_wealth[name] = started + np.log1p(-np.outer(differences, self._bets[name])).sum(axis=0)
        log_mean = float(np.logaddexp.reduce(self._log_wealth[name])) - math.log(len(self._bets[name]))
        # A wealth beyond the range of a float is an alarm like any other.
        e_value = math.exp(min(log_mean, 700.0)) + max(0.0, 1 - k / planned)
        p_value = drop_p_value(differences, margin=self.margins[name])
        threshold = len(self.capabilities) / self.alpha
        return AlarmReading(name, p_value < self.alpha, e_value >= threshold, p_value, e_value, threshold)


def drop_p_value(differences: Floats, *, margin: float) -> float:
    """p-value of "no drop" for one checkpoint: the exact McNemar test for d in {−1, 0, 1}, else betting."""
    if np.all(differences == np.sign(differences)):
        return binary.mcnemar_p(int(np.sum(differences < 0)), int(np.sum(differences > 0)))
    return betting.p_value(np.asarray(differences, dtype=np.float64), margin=margin)


def _check_plan(margins: Mapping[str, float], planned: int) -> None:
    if not margins:
        raise ValueError("an alarm needs capabilities to watch")
    if planned < 1:
        raise ValueError(f"an alarm needs at least 1 planned evaluation, got {planned}")


def _check_names(given: Mapping[str, Floats], known: Sequence[str]) -> None:
    unknown = set(given) - set(known)
    if unknown:
        raise ValueError(f"capabilities that the alarm was not planned for: {sorted(unknown)}")
