"""What holds each capability, moved by what the guard sees: λ of the KL on its replay rows, and their share.

In: every look of the guard, on the dev part, and checks of a few likelihoods between the looks. Out: the multipliers
and shares of the replay streams until the next look, a brake upon the multipliers until the next check, and an event
for every move. A capability with replay rows of its own kind is held by these; the others are held by the rows that are
like none. The rule is that of `constraints`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from forgetless.constraints import LEAST, MOST, Slack, braked, due, moved, shares_of, token_weights
from forgetless.engines import Engine
from forgetless.guard.capability import Capability
from forgetless.guard.ledger import level_of_look
from forgetless.guard.margins import judged_part, training_aim
from forgetless.guard.probe import Probe, Signal
from forgetless.mixture import REPLAY, MixturePlan, MixtureStream, replay_of
from forgetless.recipe import Recipe
from forgetless.records import Adjustment, CapabilityScore, Evaluation, to_json
from forgetless.rundir import RunFolder
from forgetless.verdicts import points


class Multipliers:
    """Dual ascent along a run.

    Args:
        capabilities: What is to be kept.
        stream: The mixture, whose streams of replay are held harder or less hard.
        plan: Steps and tokens of the whole run.
        recipe: λ, the repetition cap, and how strictly the certificate will judge.
        run: The run folder; every move is an event.
        probe: What is asked between the looks; nothing without it.
    """

    def __init__(
        self,
        capabilities: Sequence[Capability],
        *,
        stream: MixtureStream,
        plan: MixturePlan,
        recipe: Recipe,
        run: RunFolder,
        probe: Probe | None = None,
    ) -> None:
        self._capabilities = {c.name: c for c in capabilities}
        self._test_parts = {c.name: judged_part(c.task, limit=recipe.evaluation.test_items) for c in capabilities}
        self._alpha = level_of_look(recipe.evaluation, 1)
        self._weight = recipe.training.kl_weight
        self._cap = recipe.mixture.repetition_cap
        self._stream = stream
        self._plan = plan
        self._run = run
        replay = {spec.name: spec for spec in stream.specs if spec.kind == "replay"}
        self._total = math.fsum(spec.share for spec in replay.values())
        self._parts = {name: spec.share / self._total for name, spec in replay.items()}
        self._pass_tokens = {name: spec.tokens for name, spec in replay.items()}
        self._held_by = {name: _streams_that_hold(name, list(replay)) for name in self._capabilities}
        self._multipliers = dict.fromkeys(self._capabilities, 1.0)
        self._brakes = dict.fromkeys(self._capabilities, 1.0)
        self._budgets = {name: c.margin for name, c in self._capabilities.items()}
        self._signals: dict[str, tuple[float, float]] = {}
        self._well: dict[str, tuple[float, float]] = {}
        self._probe = probe
        self.check_steps = probe.every_steps(plan.tokens / plan.steps) if probe else None
        """Steps between two checks; none without them."""

    def adjust(self, evaluation: Evaluation, discordance: Mapping[str, float]) -> None:
        """Move what the look gives reason to move; it holds from the next batch. After the last step nothing moves.

        Args:
            evaluation: The look.
            discordance: Mean squared difference of each capability at it.
        """
        if evaluation.step >= self._plan.steps:
            return
        found = ((c.capability, self._slack(c, discordance.get(c.capability))) for c in evaluation.capabilities)
        slacks = {name: slack for name, slack in found if slack is not None}
        self._learn(slacks)
        before, shares_before = dict(self._multipliers), self._stream.shares()
        done = evaluation.step / self._plan.steps
        pressures = {name: due(slack.pressure, done) for name, slack in slacks.items()}
        self._multipliers |= {
            name: max(self._least(name), moved(before[name], pressure)) for name, pressure in pressures.items()
        }
        if self._multipliers == before:
            return
        self._hold()
        shares = self._stream.shares()
        for name, slack in slacks.items():
            if self._multipliers[name] != before[name]:
                held_by = self._held_by[name]
                adjustment = Adjustment(
                    capability=name,
                    step=evaluation.step,
                    drop=slack.drop,
                    error=slack.error,
                    budget=slack.budget,
                    pressure=pressures[name],
                    weight_before=self._weight * before[name],
                    weight=self._weight * self._multipliers[name],
                    share_before=math.fsum(shares_before[stream] for stream in held_by),
                    share=math.fsum(shares[stream] for stream in held_by),
                    own=self._has_own(name),
                )
                self._run.append_event("adjustment", **to_json(adjustment), reason=_reason(adjustment))

    def check(self, engine: Engine, step: int) -> None:
        """Ask the probe's items, and put a brake on what slips, or let it go; it holds from the next batch.

        Args:
            engine: Answers for the model in training.
            step: Steps done.
        """
        assert self._probe is not None, "who checks has been told every how many steps"
        signals = self._probe.read(engine)
        self._signals = {name: (signal.drop, signal.kl) for name, signal in signals.items()}
        before = dict(self._brakes)
        for name, signal in signals.items():
            self._brakes[name] = braked(before[name], due(self._pressure(name, signal), step / self._plan.steps))
        if self._brakes == before:
            return
        self._hold()
        for name, signal in signals.items():
            if self._brakes[name] != before[name]:
                weight = self._weight * self._multipliers[name]
                self._run.append_event(
                    "brake",
                    step=step,
                    capability=name,
                    drop=signal.drop,
                    error=signal.error,
                    budget=self._aim(name),
                    kl=signal.kl,
                    kl_well=self._well[name][1] if name in self._well else None,
                    weight_before=weight * before[name],
                    weight=weight * self._brakes[name],
                    reason=self._brake_reason(name, signal, before[name]),
                )

    def exhausted(self, capability: str) -> bool:
        """Whether it is held as hard as can be, so that no move is left that could bring it back."""
        return self._multipliers[capability] >= MOST

    def state_dict(self) -> dict[str, Any]:
        """JSON data for `load_state_dict`; the stream keeps its own shares and multipliers."""
        return {
            "multipliers": dict(self._multipliers),
            "brakes": dict(self._brakes),
            "budgets": dict(self._budgets),
            "signals": dict(self._signals),
            "well": dict(self._well),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up the state of an earlier process."""
        self._multipliers = dict(state["multipliers"])
        self._brakes = dict(state["brakes"])
        self._budgets = dict(state["budgets"])
        self._signals = {name: (drop, kl) for name, (drop, kl) in state["signals"].items()}
        self._well = {name: (drop, kl) for name, (drop, kl) in state["well"].items()}

    def _slack(self, score: CapabilityScore, discordance: float | None) -> Slack | None:
        """What a look says of a capability; nothing where the base has no ability to lose."""
        if score.estimate is None or discordance is None or score.outcome == "absent":
            return None
        # As if one more item had turned: a few items of which none did are no proof that none would.
        spread = discordance + 1 / score.n
        capability = self._capabilities[score.capability]
        return Slack(
            drop=-score.estimate,
            error=math.sqrt(max(spread - score.estimate**2, 1 / score.n) / score.n),
            margin=capability.margin,
            budget=training_aim(
                capability,
                self._test_parts[score.capability],
                discordance=spread,
                alpha=self._alpha,
                jointly=len(self._capabilities),
            ),
        )

    def _learn(self, slacks: Mapping[str, Slack]) -> None:
        """What a look teaches the checks: the drop to aim at, and signals with which the score was seen to be well."""
        for name, slack in slacks.items():
            self._budgets[name] = slack.budget
            if slack.pressure <= 0.0 and name in self._signals:
                (drop, kl), (well_drop, well_kl) = self._signals[name], self._well.get(name, (0.0, 0.0))
                self._well[name] = max(drop, well_drop), max(kl, well_kl)

    def _aim(self, name: str) -> float:
        """The loss of probability that is no reason to press: the budget, or what a look has seen to do no harm."""
        return max(self._budgets[name], self._well.get(name, (0.0, 0.0))[0])

    def _pressure(self, name: str, signal: Signal) -> float:
        """Of a check: by the probability of right answers, or where KL is twice what was ever seen to be well."""
        slack = Slack(
            drop=signal.drop,
            error=signal.error,
            margin=self._capabilities[name].margin,
            budget=self._aim(name),
        )
        well = self._well.get(name, (0.0, 0.0))[1]
        strayed = min(1.0, math.log2(signal.kl / well) - 1.0) if well > 0.0 and signal.kl > 0.0 else 0.0
        return max(slack.pressure, strayed)

    def _brake_reason(self, name: str, signal: Signal, before: float) -> str:
        weight = self._weight * self._multipliers[name]
        known = f", {self._well[name][1]:.2g} was well" if name in self._well else ""
        return (
            f"{name}, between looks: {points(round(signal.drop, 3))} of its right answers' probability gone "
            f"(up to {points(round(self._aim(name), 3))} is well), KL {signal.kl:.2g} nats a token{known}: "
            f"λ {weight * before:.3g} → {weight * self._brakes[name]:.3g}"
        )

    def _has_own(self, name: str) -> bool:
        return self._held_by[name] == (replay_of(name),)

    def _least(self, name: str) -> float:
        """The rows that hold it hold others too, and what nobody measures: λ of the recipe is the least for them."""
        return LEAST if self._has_own(name) else 1.0

    def _hold(self) -> None:
        """Hand multipliers and shares to the stream. What holds several capabilities follows the one that asks most.

        Brakes move no shares: they come and go too fast for rows to follow.
        """
        held = self._most_asked(self._multipliers)
        braked = self._most_asked({name: min(MOST, m * self._brakes[name]) for name, m in self._multipliers.items()})
        given = self._stream.tokens()
        left = max(self._plan.tokens - sum(given.values()), 1)
        ceilings = {name: (self._cap * self._pass_tokens[name] - given[name]) / left for name in self._parts}
        shares = shares_of(self._total, parts=self._parts, multipliers=held, ceilings=ceilings)
        self._stream.set_multipliers(token_weights(self._total, parts=self._parts, multipliers=braked, shares=shares))
        self._stream.set_shares(self._stream.shares() | shares)

    def _most_asked(self, multipliers: Mapping[str, float]) -> dict[str, float]:
        """For each stream the largest multiplier of what it holds."""
        return {
            stream: max((m for name, m in multipliers.items() if stream in self._held_by[name]), default=1.0)
            for stream in self._parts
        }


def _streams_that_hold(capability: str, replay: Sequence[str]) -> tuple[str, ...]:
    """Its own stream of replay rows; else that of the rows that are like no capability; else all of them."""
    for stream in (replay_of(capability), REPLAY):
        if stream in replay:
            return (stream,)
    return tuple(replay)


def _reason(a: Adjustment) -> str:
    moved = "fell" if a.drop >= 0.0 else "rose"
    return (
        f"{a.capability} {moved} {points(round(abs(a.drop), 3))} of a budget of {points(round(a.budget, 3))}: "
        f"λ {a.weight_before:.3g} → {a.weight:.3g}, share {100 * a.share_before:.3g} % → {100 * a.share:.3g} %"
    )
