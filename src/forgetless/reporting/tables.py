"""The rows of the page's tables: a `View` in, rows that a template or a terminal can print out.

A row brings together what belongs to one ability, one position on the path or one source, wherever it was recorded.
Nothing is computed; what is missing stays `None`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from forgetless.records import CapabilityScore, Example, MixtureShare, PathStep, SubjectEstimate, Verdict
from forgetless.reporting import numbers, wording
from forgetless.reporting.intervals import IntervalPlot, Measured, Scale, interval_plot, shared_scale, whole_scale
from forgetless.reporting.phrases import Phrase, Recorded, Said, phrase
from forgetless.reporting.view import Moment, SourceView, View


@dataclass(frozen=True, slots=True)
class AbilityRow:
    """One line of the verdict table. `outcome` is `untested` before the test part was used."""

    name: str
    outcome: str
    word: Phrase
    why: Said
    base_score: float | None = None
    tuned_score: float | None = None
    estimate: float | None = None
    interval: tuple[float, float] | None = None
    margin: float | None = None
    n: int | None = None
    losses: int | None = None
    gains: int | None = None
    missing: int = 0
    noise: float = 0.0
    beyond_guessing: tuple[float, float] | None = None
    subjects: tuple[SubjectEstimate, ...] = ()
    covered: bool | None = None
    plot: IntervalPlot | None = None
    judged: Phrase | None = None
    stopped_early: Phrase | None = None

    @property
    def icon(self) -> str:
        """The mark beside the outcome's word."""
        return wording.ICONS[self.outcome]


@dataclass(frozen=True, slots=True)
class DomainView:
    """The domain's verdicts on one scale of their own."""

    tuned: AbilityRow
    certified: AbilityRow | None
    scale: Scale


@dataclass(frozen=True, slots=True)
class Position:
    """One position on the path; `result` is `base`, `passed`, `failed` or `not_tested`."""

    a: float
    result: str
    certified: bool
    domain_dev_score: float | None
    failed_by: tuple[str, ...]
    verdicts: Mapping[str, Verdict]


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """All alarms of one ability: the steps, and what the first one said."""

    capability: str
    steps: tuple[str, ...]
    first: Recorded


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One line of the mixture table: how a source was read, and what it gave."""

    name: str
    kind: str
    share: MixtureShare | None
    source: SourceView | None
    left_out: tuple[Phrase, ...]


@dataclass(frozen=True, slots=True)
class SampleRow:
    """One answered item, with the word for how it changed."""

    sample: Example
    change: str


def table_scale(view: View) -> Scale:
    """The scale that all bars of the verdict table share."""
    return shared_scale(_measured(view).values())


def ability_rows(view: View, scale: Scale) -> tuple[AbilityRow, ...]:
    """One row for every ability: tested ones with their verdict, others with what the guard last saw."""
    measured = _measured(view)
    return tuple(_ability_row(name, measured.get(name), view, scale) for name in view.capabilities)


def verdict_row(verdict: Verdict, *, scale: Scale, covered: bool | None = None) -> AbilityRow:
    """One verdict as a row."""
    return AbilityRow(
        name=verdict.capability,
        outcome=verdict.outcome,
        word=wording.outcome(verdict),
        why=wording.why(verdict),
        base_score=verdict.base_score,
        tuned_score=verdict.tuned_score,
        estimate=verdict.estimate,
        interval=verdict.interval,
        margin=verdict.margin,
        n=verdict.n,
        losses=verdict.losses,
        gains=verdict.gains,
        missing=verdict.missing,
        noise=verdict.noise,
        beyond_guessing=_beyond_guessing(verdict),
        subjects=verdict.subjects,
        covered=covered,
        plot=interval_plot(verdict, scale),
        judged=wording.judged(verdict),
        stopped_early=wording.stopped_early(verdict),
    )


def _beyond_guessing(verdict: Verdict) -> tuple[float, float] | None:
    """Losses and gains less those that guessing explains, where something can be guessed."""
    if verdict.losses_beyond_guessing is None or verdict.gains_beyond_guessing is None:
        return None
    return verdict.losses_beyond_guessing, verdict.gains_beyond_guessing


def domain_view(view: View) -> DomainView | None:
    """The domain as judged, and at the certified position where that is another model."""
    if view.domain is None:
        return None
    between = view.certificate is not None and 0.0 < view.certificate.certified_a < 1.0
    certified = view.certificate.certified_domain if view.certificate and between else None
    both = [view.domain, *([certified] if certified else [])]
    scale = whole_scale(both)
    rows = [verdict_row(verdict, scale=scale) for verdict in both]
    return DomainView(rows[0], rows[1] if certified else None, scale)


def positions(view: View) -> tuple[Position, ...]:
    """The path from the base out, untested positions of the recipe included."""
    if not view.path:
        return ()
    certificate = view.certificate
    certified = certificate.certified_a if certificate else None
    base = Position(0.0, "base", certified == 0.0, _base_dev_score(view), (), {})
    walked = [_walked(step, certified) for step in view.path]
    farthest = view.path[-1].a
    ahead = [Position(a, "not_tested", False, None, (), {}) for a in view.positions if a > farthest]
    return (base, *walked, *ahead)


def positions_matrix(view: View, walked: Sequence[Position]) -> dict[str, tuple[Verdict | None, ...]]:
    """For each ability its verdict at every tested position, `None` where the step had failed before its turn."""
    tested = [p for p in walked if p.verdicts]
    return {name: tuple(p.verdicts.get(name) for p in tested) for name in view.capabilities}


def alarm_rows(view: View) -> tuple[AlarmRow, ...]:
    """One row for every ability that raised an alarm, in the order of the first one."""
    alarms: dict[str, list[Moment]] = {}
    for alarm in view.alarms:
        alarms.setdefault(alarm.capability, []).append(alarm)
    return tuple(
        AlarmRow(name, tuple(numbers.count(alarm.step) for alarm in raised), Recorded(raised[0].reason))
        for name, raised in alarms.items()
    )


def source_rows(view: View) -> tuple[SourceRow, ...]:
    """Every source that was read or that stands in the mixture."""
    shares = {s.source: s for s in view.mixture.shares} if view.mixture else {}
    sources = {s.name: s for s in view.sources}
    unusable = view.mixture.rejected if view.mixture else {}
    return tuple(
        _source_row(name, shares.get(name), sources.get(name), unusable.get(name))
        for name in dict.fromkeys([*sources, *shares])
    )


def sample_rows(samples: Iterable[Example]) -> dict[str, tuple[SampleRow, ...]]:
    """Answered items by capability, the domain first, then in the order they came; losses lead each group."""
    rows = [SampleRow(s, sample_change(s)) for s in samples]
    names = sorted(dict.fromkeys(row.sample.capability for row in rows), key=lambda name: name != "domain")
    order = ("lost", "worse", "won", "better", "same", "unknown")
    return {
        name: tuple(sorted((r for r in rows if r.sample.capability == name), key=lambda r: order.index(r.change)))
        for name in names
    }


def sample_change(sample: Example) -> str:
    """How an item's score moved: `lost` and `won` are full marks lost and won."""
    before, after = sample.before_score, sample.after_score
    if before is None or after is None:
        return "unknown"
    if before == after:
        return "same"
    if {before, after} == {0.0, 1.0}:
        return "lost" if after < before else "won"
    return "worse" if after < before else "better"


def _measured(view: View) -> dict[str, Measured]:
    if view.verdicts:
        return dict(view.verdicts)
    return {c.capability: c for c in view.look.capabilities} if view.look else {}


def _ability_row(name: str, measured: Measured | None, view: View, scale: Scale) -> AbilityRow:
    covered = view.covered(name)
    if isinstance(measured, Verdict):
        return verdict_row(measured, scale=scale, covered=covered)
    untested, waiting = phrase("outcome.untested"), phrase("why.untested")
    if isinstance(measured, CapabilityScore):
        return AbilityRow(
            name,
            "untested",
            untested,
            waiting,
            base_score=measured.base_score,
            tuned_score=measured.score,
            estimate=measured.estimate,
            margin=measured.margin,
            n=measured.n,
            covered=covered,
            plot=interval_plot(measured, scale),
        )
    return AbilityRow(name, "untested", untested, waiting, margin=view.margins.get(name), covered=covered)


def _walked(step: PathStep, certified: float | None) -> Position:
    failed = [v.capability for v in step.verdicts if v.outcome in ("dropped", "undecided")]
    return Position(
        a=step.a,
        result="passed" if step.passed else "failed",
        certified=step.a == certified,
        domain_dev_score=step.domain_dev_score,
        failed_by=tuple(failed),
        verdicts={v.capability: v for v in step.verdicts},
    )


def _base_dev_score(view: View) -> float | None:
    return view.evaluations[0].domain.base_score if view.evaluations else None


def _source_row(name: str, share: MixtureShare | None, source: SourceView | None, unusable: int | None) -> SourceRow:
    kind = share.kind if share else source.kind if source else ""
    counted = {"unusable": unusable}
    if source:
        counted |= {"duplicates": source.duplicates, "held_out": source.held_out, "asked": source.asked}
    left_out = tuple(phrase(f"left_out.{why}", n=numbers.count(n)) for why, n in counted.items() if n)
    return SourceRow(name, kind, share, source, left_out)
