"""The guard along a run: look at a checkpoint, judge it against the base, raise the alarm, move what holds, choose.

The guard only ever sees the dev part (fresh items for a procedural task). What it decides here steers the run and
picks a checkpoint; it certifies nothing, so its numbers may be looked at as often as one likes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from forgetless.engines import Engine
from forgetless.guard.capability import Capability
from forgetless.guard.exam import Exam
from forgetless.guard.multipliers import Multipliers
from forgetless.progress import Progresses, unwatched
from forgetless.recipe import EvaluationSettings
from forgetless.records import CapabilityScore, Evaluation, Item, ItemResult, Verdict, from_json, to_json
from forgetless.rundir import RunFolder, ScoreStore
from forgetless.tasks import Task, against, measure
from forgetless.verdicts import AlarmReading, FixedListAlarm, FreshItemsAlarm, judge_all, judge_domain, pair

_LARGEST_MARGIN = 0.99
"""That bets can be tuned to."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The checkpoint to ship, and why it was chosen."""

    step: int
    reason: str


class Guard:
    """Measures every capability and the domain at a checkpoint and says what follows.

    Args:
        exam: The domain's task and what to keep.
        base: The engine of the base model; measured once for fixed items, beside the tuned model for fresh ones.
        settings: Sizes and levels.
        run: The run folder; every look is an event.
        base_scores: Where the base's score sheets are kept between runs.
        planned_evaluations: How many looks the run will take; the alarms share one error budget over them.
        seed: Seeds the order of fixed items and the draw of fresh ones.
        noises: How far the base may differ from itself, where measured (rule 6).
        multipliers: What every look moves, unless it ends the run; none where all is held as the recipe says.
        progress: Told how far a look has come.
    """

    def __init__(
        self,
        exam: Exam,
        *,
        base: Engine,
        settings: EvaluationSettings,
        run: RunFolder,
        base_scores: ScoreStore,
        planned_evaluations: int,
        seed: int,
        noises: Mapping[str, float] = MappingProxyType({}),
        multipliers: Multipliers | None = None,
        progress: Progresses = unwatched,
    ) -> None:
        self.noises = noises
        self.multipliers = multipliers
        self.exam = exam
        self.base = base
        self.settings = settings
        self.run = run
        self.base_scores = base_scores
        self.seed = seed
        self.progress = progress
        self.evaluations: list[Evaluation] = []
        self.alarms = Alarms(exam.capabilities, alpha=settings.alpha, planned_evaluations=planned_evaluations)

    def look(self, engine: Engine, *, step: int, tokens: int) -> str | None:
        """Measure a checkpoint on the dev part, and return a reason to stop or `None`.

        The evaluation and any alarm are events of the run before this returns.
        """
        started = time.monotonic()
        domain_base, domain_tuned = self._both(engine, self.exam.domain, step)
        results = {c.name: self._both(engine, c.task, step) for c in self.exam.capabilities}
        verdicts = judge_all(
            results,
            margins={c.name: c.margin for c in self.exam.capabilities},
            chances={c.name: c.task.chance for c in self.exam.capabilities},
            noises=self.noises,
            alpha=self.settings.alpha,
        )
        readings = self.alarms.update(step, results)
        evaluation = Evaluation(
            step=step,
            domain=_as_score(judge_domain(domain_base, domain_tuned, alpha=self.settings.alpha)),
            capabilities=tuple(_as_score(v, readings[v.capability]) for v in verdicts),
            tokens=tokens,
            seconds=round(time.monotonic() - started, 3),
        )
        self.evaluations.append(evaluation)
        self.run.append_event("evaluation", **to_json(evaluation))
        for score in evaluation.capabilities:
            if score.alarm:
                self.run.append_event("alarm", step=step, capability=score.capability, message=_alarm_message(score))
        reason = self._reason_to_stop(evaluation)
        if self.multipliers is not None and reason is None:
            self.multipliers.adjust(evaluation, self.discordance(step))
        return reason

    def choose(self) -> Choice:
        """The evaluated checkpoint with the best domain score among those with nothing dropped.

        Where every checkpoint dropped something, the best domain score alone decides, and the reason says so.
        """
        clean = [e for e in self.evaluations if not any(_lost(c) for c in e.capabilities)]
        if clean:
            best = max(clean, key=_domain_score)
            return Choice(best.step, "best domain score among the checkpoints with nothing dropped")
        best = max(self.evaluations, key=_domain_score)
        return Choice(best.step, "best domain score; every checkpoint had dropped something")

    def discordance(self, step: int) -> dict[str, float]:
        """Mean squared difference of each capability at a looked-at step (dev part); sizes the informed bets."""
        return self.alarms.discordance.get(step, {})

    def state_dict(self) -> dict[str, Any]:
        """Everything a resumed run needs, as JSON data."""
        moved = {} if self.multipliers is None else {"multipliers": self.multipliers.state_dict()}
        return {"evaluations": to_json(self.evaluations), "alarms": self.alarms.state_dict()} | moved

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up the state of an earlier process."""
        self.evaluations = [from_json(Evaluation, e) for e in state["evaluations"]]
        self.alarms.load_state_dict(state["alarms"])
        if self.multipliers is not None:
            self.multipliers.load_state_dict(state["multipliers"])

    def _both(self, engine: Engine, task: Task, step: int) -> tuple[tuple[ItemResult, ...], tuple[ItemResult, ...]]:
        items = self._items(task, step)
        told = self.progress(f"look at step {step}: {task.name}")
        base = measure(self.base, task, items, store=self.base_scores, progress=told)
        tuned = measure(engine, against(task, base), items, store=self.run.scores, progress=told)
        return base.results, tuned.results

    def _items(self, task: Task, step: int) -> tuple[Item, ...]:
        seed = self.seed * 1_000_003 + step if task.fresh else self.seed
        return task.items("dev", limit=self.settings.dev_items, seed=seed)

    def _reason_to_stop(self, evaluation: Evaluation) -> str | None:
        alarmed = [c.capability for c in evaluation.capabilities if c.alarm]
        if self.multipliers is not None:  # what can be held harder has not been tried to the end
            alarmed = [name for name in alarmed if self.multipliers.exhausted(name)]
        if alarmed and self.settings.stop_on_alarm:
            harder = "" if self.multipliers is None else ", although held as hard as can be"
            return f"alarm: {', '.join(alarmed)} dropped{harder}"
        patience = self.settings.patience_evaluations
        if patience is not None and len(self.evaluations) > patience:
            best_before = max(map(_domain_score, self.evaluations[:-patience]))
            if all(_domain_score(e) <= best_before for e in self.evaluations[-patience:]):
                return f"the domain score has not risen in {patience} evaluations"
        return None


class Alarms:
    """One error budget over the whole run, shared by fixed lists and fresh items (rule 13)."""

    def __init__(self, capabilities: Sequence[Capability], *, alpha: float, planned_evaluations: int) -> None:
        margins = {c.name: min(c.margin, _LARGEST_MARGIN) for c in capabilities}
        fixed = {c.name: margins[c.name] for c in capabilities if not c.task.fresh}
        fresh = {c.name: margins[c.name] for c in capabilities if c.task.fresh}

        def part(watched: Mapping[str, float]) -> float:
            return alpha * len(watched) / len(capabilities)

        self.fixed = FixedListAlarm(fixed, alpha=part(fixed), planned=planned_evaluations) if fixed else None
        self.fresh = FreshItemsAlarm(fresh, alpha=part(fresh), planned=planned_evaluations) if fresh else None
        self.discordance: dict[int, dict[str, float]] = {}

    def update(
        self, step: int, results: dict[str, tuple[tuple[ItemResult, ...], tuple[ItemResult, ...]]]
    ) -> dict[str, AlarmReading]:
        """Read the (base, tuned) results of every capability at one checkpoint."""
        paired = {name: pair(base, tuned) for name, (base, tuned) in results.items()}
        readings: dict[str, AlarmReading] = {}
        for alarm in (self.fixed, self.fresh):
            if alarm is not None:
                readings |= alarm.update({name: paired[name].weighted_for_dropped for name in alarm.capabilities})
        self.discordance[step] = {name: p.discordance for name, p in paired.items()}
        return readings

    def state_dict(self) -> dict[str, Any]:
        """JSON data for `load_state_dict`."""
        return {
            "fixed": self.fixed.state_dict() if self.fixed else None,
            "fresh": self.fresh.state_dict() if self.fresh else None,
            "discordance": {str(k): v for k, v in self.discordance.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up the state of an earlier process."""
        if self.fixed:
            self.fixed.load_state_dict(state["fixed"])
        if self.fresh:
            self.fresh.load_state_dict(state["fresh"])
        self.discordance = {int(k): v for k, v in state["discordance"].items()}


def _as_score(verdict: Verdict, reading: AlarmReading | None = None) -> CapabilityScore:
    return CapabilityScore(
        capability=verdict.capability,
        score=verdict.tuned_score,
        base_score=verdict.base_score,
        n=verdict.n,
        estimate=verdict.estimate,
        lower=verdict.lower,
        upper=verdict.upper,
        margin=verdict.margin,
        outcome=verdict.outcome,
        watch=bool(reading and reading.watch),
        alarm=bool(reading and reading.alarm),
    )


def _lost(score: CapabilityScore) -> bool:
    return score.alarm or score.outcome == "dropped"


def _domain_score(evaluation: Evaluation) -> float:
    return -1.0 if evaluation.domain.score is None else evaluation.domain.score


def _alarm_message(score: CapabilityScore) -> str:
    if score.estimate is None:
        return f"{score.capability} has dropped"
    return f"{score.capability} has dropped by about {-100 * score.estimate:.1f} points (n = {score.n})"
