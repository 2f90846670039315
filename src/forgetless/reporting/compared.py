"""One HTML file for two finished models: a comparison goes in, a page of the report's parts comes out."""

from __future__ import annotations

from forgetless.records import CompareResult
from forgetless.reporting import tables, wording
from forgetless.reporting.page import render
from forgetless.reporting.phrases import Language, phrase
from forgetless.reporting.view import View


def render_compared(result: CompareResult, *, base: str, tuned: str, language: Language = "en") -> str:
    """The page of a comparison of two models.

    Args:
        result: Verdicts, notes and examples.
        base: What the model before is called.
        tuned: What the model after is called.
        language: The language the page opens in; the reader may switch.
    """
    view = View(f"{base} → {tuned}", compared=result, samples=result.examples)
    scale = tables.table_scale(view)
    return render(
        "compared.html.j2",
        language=language,
        title=phrase("compared.page_title", name=view.name),
        view=view,
        headline=wording.compared(view),
        tally=wording.tally(view),
        rows=tables.ability_rows(view, scale),
        scale=scale,
        domain=tables.domain_view(view),
        samples=tables.sample_rows(view.samples),
        notes=result.notes,
    )
