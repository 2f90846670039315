"""One HTML file for one run: a `View` goes in, a page comes out that opens anywhere, offline.

The page holds every language, its style, its script and its charts. A content security policy forbids it to fetch
anything or to run any script but its own, so that what a model wrote can do nothing even if a browser misreads it.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import jinja2
from markupsafe import Markup, escape

from forgetless.reporting import charts, numbers, tables, wording
from forgetless.reporting.curves import Chart, draw
from forgetless.reporting.intervals import IntervalPlot
from forgetless.reporting.phrases import LANGUAGES, Language, Recorded, Said, phrase, say
from forgetless.reporting.reading import build_view
from forgetless.reporting.view import View
from forgetless.rundir import atomic_write

REPORT_NAME: Final = "report.html"
LONGEST_TEXT: Final = 3000
"""Characters shown of one text out of data or a model; the run folder holds the whole."""


def write_report(folder: Path) -> Path:
    """Write `report.html` into a run folder and return its path.

    Raises:
        RunFolderError: The folder holds no run, or cannot be read or written.
    """
    path = folder / REPORT_NAME
    atomic_write(path, render_report(build_view(folder)))
    return path


def render_report(view: View, *, language: Language = "en") -> str:
    """The page of one run; `language` is the one it opens in, and the reader may switch."""
    scale = tables.table_scale(view)
    walked = tables.positions(view)
    return render(
        "report.html.j2",
        language=language,
        title=phrase("page.title", name=view.name),
        view=view,
        headline=wording.headline(view),
        second_line=wording.second_line(view),
        tally=wording.tally(view),
        rows=tables.ability_rows(view, scale),
        scale=scale,
        domain=tables.domain_view(view),
        positions=walked,
        alarms=tables.alarm_rows(view),
        matrix=tables.positions_matrix(view, walked),
        sources=tables.source_rows(view),
        samples=tables.sample_rows(view.samples),
        domain_chart=charts.domain_chart(view),
        ability_charts={name: charts.ability_chart(view, name) for name in view.capabilities},
        log_charts=charts.log_charts(view),
    )


def render(template: str, *, language: Language, title: Said, **context: Any) -> str:
    """Render a template of this room into a whole page."""
    script = _asset("script.js")
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    text = environment().get_template(template).render(
        language=language,
        languages=LANGUAGES,
        titles={each: say(title, each) for each in LANGUAGES},
        style=Markup(_asset("style.css")),
        script=Markup(script),
        script_digest=digest,
        **context,
    )  # fmt: skip
    return re.sub(r"\n\s*\n+", "\n", text)


@functools.cache
def environment() -> jinja2.Environment:
    """The templates' surroundings: everything escaped, an unknown name is an error."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("forgetless.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        name: getattr(numbers, name)
        for name in ("percent", "points", "margin", "bounds", "count", "amount", "decimal", "short_hash", "moment")
    }
    made.filters |= {"cut": cut, "recorded": Recorded, "label": wording.label, "prompts": wording.prompts}
    made.globals |= {
        "t": translated,
        "said": said,
        "svg": svg,
        "interval_svg": interval_svg,
        "outcome_word": wording.outcome,
        "icons": wording.ICONS,
        "unknown": numbers.UNKNOWN,
        "level": lambda alpha: f"{100 * (1 - alpha):g}%",
    }
    return made


def translated(key: str, **values: Said | int) -> Markup:
    """A phrase in every language at once; the page shows the one that the reader chose."""
    return said(phrase(key, **values))


def said(what: Said) -> Markup:
    """A sentence in every language at once; words in backticks become code."""
    texts = {language: _marked_up(say(what, language)) for language in LANGUAGES}
    if len(set(texts.values())) == 1:
        return texts["en"]
    spans = (f'<span class="{language}" lang="{_tag(language)}">{text}</span>' for language, text in texts.items())
    return Markup("".join(spans))


def svg(chart: Chart, *, name: str, labelled_by: str) -> Markup:
    """A chart as markup; `name` is unique in the page."""
    return Markup(draw(chart, salt=name, labelled_by=labelled_by))


def interval_svg(plot: IntervalPlot) -> Markup:
    """The small plot of one verdict, as wide as its place."""
    return Markup(environment().get_template("interval.svg.j2").render(plot=plot).replace("\n", ""))


def cut(text: str) -> str:
    """A long text's beginning."""
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + " …"


def _marked_up(text: str) -> Markup:
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _tag(language: Language) -> str:
    return {"en": "en", "zh": "zh-Hans"}[language]


def _asset(name: str) -> str:
    return files(__package__).joinpath("templates", name).read_text(encoding="utf-8")
