"""Which curves a run shows: from a `View` to `Chart`s, differences in points and scores in percent.

Every ability starts at step 0 with a change of 0, for at step 0 the tuned model is the base.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Final

from forgetless.records import CapabilityScore
from forgetless.reporting.curves import Band, Chart, Ink, Line, Marker, Rule
from forgetless.reporting.view import LogPoint, View

ARM_STYLES: Final[tuple[tuple[Ink, Marker], ...]] = (("third", "s"), ("second", "D"), ("accent", "o"), ("domain", "x"))
"""Ink and marker of each arm of a comparison, in turn; lines differ by marker as well as by colour."""


def domain_chart(view: View) -> Chart:
    """The domain's score along the run, with the base's as a rule."""
    looks = view.evaluations
    base = next((e.domain.base_score for e in looks if e.domain.base_score is not None), None)
    start = [(0.0, base)] if base is not None and looks[0].step > 0 else []
    points = [*start, *((float(e.step), e.domain.score) for e in looks)]
    xs, ys = [x for x, _ in points], [_hundredfold(y) for _, y in points]
    rules = [Rule(100 * base, ink="muted", style=":")] if base is not None else []
    return Chart((Line(xs, ys, ink="domain", marker="o"),), rules=(*rules, *_chosen(view)), include=(0.0,))


def ability_chart(view: View, name: str) -> Chart:
    """One ability's change along the run, with its one-sided bounds, the margin, alarms and watches."""
    seen = _seen(view, name)
    margin = next((s.margin for _, s in seen if s.margin), None)
    xs, ys = _path_of(seen)
    steps = [float(step) for step, _ in seen]
    band = Band(steps, [_hundredfold(s.lower) for _, s in seen], [_hundredfold(s.upper) for _, s in seen])
    alarms = [(float(step), _hundredfold(s.estimate)) for step, s in seen if s.alarm]
    watches = [(float(step), _hundredfold(s.estimate)) for step, s in seen if s.watch and not s.alarm]
    marks = (*_marks(watches, "undecided", "D"), *_marks(alarms, "dropped", "v"))
    return Chart(
        lines=(Line(xs, ys, marker="o"), *marks),
        bands=(band,),
        rules=(Rule(0.0), *_margin_rule(margin), *_chosen(view)),
        include=(-150 * margin, 50 * margin) if margin else (),
    )


def log_charts(view: View) -> dict[str, Chart]:
    """Loss, KL, entropy and learning rate by name; a quantity that was never logged has no chart."""

    def line(field: str, ink: Ink = "accent", marker: Marker = "") -> Line:
        return Line([float(p.step) for p in view.logs], _logged(view.logs, field), ink=ink, marker=marker)

    charts = {
        "loss": Chart((line("loss"), line("ce", "second")), rules=_chosen(view)),
        "kl": Chart((line("kl"), line("domain_kl", "second")), rules=_chosen(view), include=(0.0,)),
        "entropy": Chart((line("entropy"),), rules=_chosen(view)),
        "learning_rate": Chart((line("learning_rate"),), rules=_chosen(view), include=(0.0,)),
    }
    return {name: chart for name, chart in charts.items() if not chart.empty}


def arms_chart(arms: Mapping[str, View], name: str) -> Chart:
    """One ability's change along every arm of a comparison."""
    lines, margins = [], []
    for (ink, marker), view in zip(cycle(ARM_STYLES), arms.values(), strict=False):
        seen = _seen(view, name)
        margins += [s.margin for _, s in seen if s.margin]
        lines.append(Line(*_path_of(seen), ink=ink, marker=marker))
    margin = max(margins, default=None)
    return Chart(tuple(lines), rules=(Rule(0.0), *_margin_rule(margin)), include=(-150 * margin,) if margin else ())


def _seen(view: View, name: str) -> list[tuple[int, CapabilityScore]]:
    return [(e.step, c) for e in view.evaluations for c in e.capabilities if c.capability == name]


def _marks(points: Sequence[tuple[float, float | None]], ink: Ink, marker: Marker) -> tuple[Line, ...]:
    return (Line([x for x, _ in points], [y for _, y in points], ink=ink, style="", marker=marker),) if points else ()


def _path_of(seen: Sequence[tuple[int, CapabilityScore]]) -> tuple[list[float], list[float | None]]:
    start = [(0.0, 0.0)] if seen and seen[0][0] > 0 else []
    points: list[tuple[float, float | None]] = [*start, *((float(x), _hundredfold(s.estimate)) for x, s in seen)]
    return [x for x, _ in points], [y for _, y in points]


def _margin_rule(margin: float | None) -> tuple[Rule, ...]:
    return (Rule(-100 * margin, ink="dropped", style="--"),) if margin else ()


def _chosen(view: View) -> tuple[Rule, ...]:
    return (Rule(float(view.chosen_step), axis="x", style=":"),) if view.chosen_step is not None else ()


def _logged(logs: Sequence[LogPoint], field: str) -> list[float | None]:
    return [getattr(point, field) for point in logs]


def _hundredfold(value: float | None) -> float | None:
    return None if value is None else 100 * value
