"""One HTML file for several runs of the same task: abilities down, ways of tuning across.

Views go in, by arm; out comes a page with every ability's verdict in every arm, the domain beside them, the curves
laid over each other and the same question answered by every model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from forgetless.records import Verdict
from forgetless.reporting import charts, numbers, tables, wording
from forgetless.reporting.page import render
from forgetless.reporting.phrases import Language, Localised, Phrase, Said, phrase
from forgetless.reporting.tables import SampleRow
from forgetless.reporting.view import View

MOST_QUESTIONS = 12
"""Questions shown with every arm's answer."""


@dataclass(frozen=True, slots=True)
class ArmText:
    """What a comparison calls an arm and says about it, by language; `link` leads to its own report."""

    name: Mapping[Language, str]
    note: Mapping[Language, str] = field(default_factory=dict)
    link: str = ""


@dataclass(frozen=True, slots=True)
class Arm:
    """One column of the comparison."""

    name: Said
    note: Said
    link: str
    view: View
    summary: Phrase
    position: Phrase | None
    kept: int
    countable: int
    dropped: int
    style: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Cell:
    """One ability in one arm. `heat` is how deep the shade of a drop is, in percent."""

    verdict: Verdict | None
    heat: int


@dataclass(frozen=True, slots=True)
class Question:
    """One question with the base's answer and every arm's, `None` where an arm did not show it."""

    capability: str
    prompt: str
    target: str
    base: SampleRow
    arms: tuple[SampleRow | None, ...]


def render_comparison(
    arms: Mapping[str, View],
    *,
    language: Language = "en",
    title: Mapping[Language, str] | None = None,
    texts: Mapping[str, ArmText] | None = None,
) -> str:
    """The page that compares several runs.

    Args:
        arms: The runs by name, in the order of the columns; abilities follow the first one that knows them.
        language: The language the page opens in.
        title: Heading by language; a plain one is used without it.
        texts: Longer names, notes and links by arm name.
    """
    columns = [_arm(name, view, (texts or {}).get(name), i) for i, (name, view) in enumerate(arms.items())]
    names = tuple(dict.fromkeys(name for view in arms.values() for name in view.capabilities))
    heading = Localised(title) if title else phrase("comparison.default_title", n=len(arms))
    alphas = [view.certificate.alpha for view in arms.values() if view.certificate]
    return render(
        "comparison.html.j2",
        language=language,
        title=phrase("comparison.page_title", names=tuple(column.name for column in columns)),
        heading=heading,
        arms=columns,
        alpha=alphas[0] if alphas else None,
        domain=[_cell(view.domain) for view in arms.values()],
        table={name: [_cell(view.verdicts.get(name)) for view in arms.values()] for name in names},
        base_scores={name: _base_score(arms, name) for name in ("domain", *names)},
        curves={name: charts.arms_chart(arms, name) for name in names},
        questions=_questions(arms),
    )


def _arm(name: str, view: View, text: ArmText | None, position: int) -> Arm:
    kept, countable, _ = wording.tally(view)
    dropped = sum(v.outcome == "dropped" for v in view.verdicts.values())
    summary = (
        phrase(
            "comparison.summary",
            tuned=numbers.percent(view.domain.tuned_score),
            n=countable,
            k=kept,
            dropped=dropped,
        )
        if view.domain
        else phrase("comparison.summary_none")
    )
    return Arm(
        name=Localised(text.name) if text else name,
        note=Localised(text.note) if text else "",
        link=text.link if text else "",
        view=view,
        summary=summary,
        position=wording.position(view),
        kept=kept,
        countable=countable,
        dropped=dropped,
        style=charts.ARM_STYLES[position % len(charts.ARM_STYLES)],
    )


def _cell(verdict: Verdict | None) -> Cell:
    drop = -(verdict.estimate or 0.0) if verdict and verdict.outcome == "dropped" else 0.0
    # The square root keeps a drop of five points visible beside one of fifty.
    return Cell(verdict, heat=round(12 + 38 * min(1.0, max(0.0, drop)) ** 0.5))


def _base_score(arms: Mapping[str, View], name: str) -> float | None:
    """The base's score on the most items; arms with fresh items each measured it on their own."""
    verdicts = [view.domain if name == "domain" else view.verdicts.get(name) for view in arms.values()]
    known = [verdict for verdict in verdicts if verdict is not None and verdict.base_score is not None]
    return max(known, key=lambda verdict: verdict.n).base_score if known else None


def _questions(arms: Mapping[str, View]) -> list[Question]:
    """Questions that at least two arms show, those with the most different fates first."""
    shown: dict[tuple[str, str], dict[str, SampleRow]] = {}
    for arm, view in arms.items():
        for sample in view.samples:
            row = SampleRow(sample, tables.sample_change(sample))
            shown.setdefault((sample.capability, sample.prompt), {})[arm] = row
    shared = [rows for rows in shown.values() if len(rows) >= min(2, len(arms))]
    shared.sort(key=lambda rows: -len({row.sample.after_score for row in rows.values()}))
    return [_question(rows, arms) for rows in _spread(shared)[:MOST_QUESTIONS]]


def _spread(shared: list[dict[str, SampleRow]]) -> list[dict[str, SampleRow]]:
    """The first question of every ability before the second of any."""
    seen: dict[str, int] = {}
    turns = []
    for rows in shared:
        capability = next(iter(rows.values())).sample.capability
        seen[capability] = turn = seen.get(capability, 0) + 1
        turns.append(turn)
    return [rows for _, rows in sorted(zip(turns, shared, strict=True), key=lambda pair: pair[0])]


def _question(rows: Mapping[str, SampleRow], arms: Mapping[str, View]) -> Question:
    first = next(iter(rows.values()))
    return Question(
        capability=first.sample.capability,
        prompt=first.sample.prompt,
        target=first.sample.target,
        base=first,
        arms=tuple(rows.get(name) for name in arms),
    )
