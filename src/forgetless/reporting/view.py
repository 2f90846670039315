"""What a page shows of a run: records and plain values, read once and never changed.

`View` is the only thing that the templates, the curves and the terminal know of a run. Any part may be missing, for a
run may be young, stopped or damaged; a missing part is `None` or empty, never a made-up number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from forgetless.records import (
    Adjustment,
    Certificate,
    CompareResult,
    Evaluation,
    Example,
    MixtureShare,
    PathStep,
    Verdict,
)

State = Literal["certified", "not_certified", "stopped", "unfinished"]


@dataclass(frozen=True, slots=True)
class SourceView:
    """One source as it was read: rows to train on, and rows left out by reason.

    `held_out` rows measure the domain, `asked` ones are asked by a test, so neither is trained on.
    """

    name: str
    kind: str = ""
    shape: str = ""
    format: str = ""
    rows: int | None = None
    rejected: int | None = None
    duplicates: int | None = None
    held_out: int | None = None
    asked: int | None = None
    describe: str = ""


@dataclass(frozen=True, slots=True)
class RejectView:
    """One row that was not read, and why."""

    origin: str
    reason: str
    preview: str = ""


@dataclass(frozen=True, slots=True)
class MixtureView:
    """The mixture, planned or realised; `rejected` counts rows by source that cannot be trained on once tokenised."""

    shares: tuple[MixtureShare, ...] = ()
    fingerprint: str = ""
    steps: int | None = None
    tokens: int | None = None
    rejected: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReplayView:
    """The rows that the base answered, and which abilities they lie close to (`None`: unknown).

    `filled` and `open` are the abilities that its own prompts left uncovered, before and after it wrote some for them.
    """

    rows: int | None = None
    prompts: str = ""
    covered: Mapping[str, bool | None] = field(default_factory=dict)
    filled: tuple[str, ...] = ()
    open: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LogPoint:
    """What the trainer logged at one step; losses, KL and entropy in nats."""

    step: int
    loss: float | None = None
    ce: float | None = None
    kl: float | None = None
    domain_kl: float | None = None
    entropy: float | None = None
    learning_rate: float | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened at a step: an alarm, the stop, the choice of a checkpoint."""

    step: int | None
    reason: str
    capability: str = ""


@dataclass(frozen=True, slots=True)
class Braked:
    """An ability whose λ checks between looks have raised: how often, and the largest λ that it had so."""

    capability: str
    times: int
    weight: float


@dataclass(frozen=True, slots=True)
class Shipped:
    """Which folder the run speaks for."""

    folder: str
    label: str = ""
    ship: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """Everything that is shown of one run."""

    name: str
    started: float | None = None
    finished: float | None = None
    recipe: str = ""
    positions: tuple[float, ...] = ()
    kept_by_recipe: tuple[str, ...] = ()
    margins: Mapping[str, float] = field(default_factory=dict)
    manifest: tuple[tuple[str, str], ...] = ()
    sources: tuple[SourceView, ...] = ()
    rejects: tuple[RejectView, ...] = ()
    mixture: MixtureView | None = None
    replay: ReplayView | None = None
    logs: tuple[LogPoint, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    adjustments: tuple[Adjustment, ...] = ()
    brakes: tuple[Braked, ...] = ()
    alarms: tuple[Moment, ...] = ()
    stop: Moment | None = None
    chosen: Moment | None = None
    path: tuple[PathStep, ...] = ()
    samples: tuple[Example, ...] = ()
    certificate: Certificate | None = None
    shipped: Shipped | None = None
    compared: CompareResult | None = None

    @property
    def state(self) -> State:
        """How far the run came."""
        if self.certificate is not None:
            return "certified" if self.certificate.certified else "not_certified"
        return "stopped" if self.stop is not None else "unfinished"

    @property
    def verdicts(self) -> Mapping[str, Verdict]:
        """Verdicts on the tuned model by capability; empty before there is a certificate or a comparison."""
        judged = self.certificate or self.compared
        return {v.capability: v for v in judged.verdicts} if judged else {}

    @property
    def domain(self) -> Verdict | None:
        """The domain's verdict on the tuned model."""
        judged = self.certificate or self.compared
        return judged.domain if judged else None

    @property
    def alpha(self) -> float | None:
        """The level of the verdicts."""
        return next((v.alpha for v in self.verdicts.values()), None)

    @property
    def chosen_step(self) -> int | None:
        """The step of the chosen checkpoint."""
        if self.certificate is not None:
            return self.certificate.chosen_step
        return self.chosen.step if self.chosen else None

    @property
    def look(self) -> Evaluation | None:
        """The guard's look that speaks for the run: at the chosen checkpoint, or else the last one."""
        at_choice = [e for e in self.evaluations if e.step == self.chosen_step]
        spoken_for = at_choice or list(self.evaluations)
        return spoken_for[-1] if spoken_for else None

    @property
    def capabilities(self) -> tuple[str, ...]:
        """Every ability that the run knows of, in the recipe's order."""
        looked = [c.capability for e in self.evaluations[-1:] for c in e.capabilities]
        return tuple(dict.fromkeys([*self.kept_by_recipe, *self.verdicts, *looked]))

    def covered(self, capability: str) -> bool | None:
        """Whether replay rows lie close to an ability; `None` where nobody measured it."""
        return self.replay.covered.get(capability) if self.replay else None
