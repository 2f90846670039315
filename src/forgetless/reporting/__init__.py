"""The report: a run folder in, a page, a comparison of runs or terminal tables out. Computes no statistic."""

from forgetless.reporting.compared import render_compared
from forgetless.reporting.comparison import ArmText, render_comparison
from forgetless.reporting.junit import junit_xml
from forgetless.reporting.page import render_report, write_report
from forgetless.reporting.phrases import LANGUAGES, Language
from forgetless.reporting.reading import build_view
from forgetless.reporting.terminal import headline, mixture_table, open_console, verdict_table
from forgetless.reporting.view import View

__all__ = [
    "LANGUAGES",
    "ArmText",
    "Language",
    "View",
    "build_view",
    "headline",
    "junit_xml",
    "mixture_table",
    "open_console",
    "render_compared",
    "render_comparison",
    "render_report",
    "verdict_table",
    "write_report",
]
