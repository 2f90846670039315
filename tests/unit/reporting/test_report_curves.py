from __future__ import annotations

import re

from page_checks import problems

from forgetless.reporting import charts
from forgetless.reporting.curves import Band, Chart, Line, Rule, draw

CHART = Chart(
    lines=(Line([0, 10, 20, 30], [0.0, -0.0012, None, -0.0031], marker="o"),),
    bands=(Band([0, 10, 20, 30], [-0.002] * 4, [0.001] * 4),),
    rules=(Rule(0.0), Rule(20, axis="x", style=":")),
    include=(-0.004,),
)


def test_a_chart_takes_its_colours_from_the_page_and_brings_no_font_or_style():
    svg = draw(CHART, salt="a", labelled_by="title")
    assert not re.search(r"#[0-9a-f]{6}\b(?!\")", re.sub(r'(?:href="|url\()#\w+', "", svg))
    assert "var(--accent)" in svg
    assert "font-family" not in svg
    assert "<style" not in svg
    assert 'role="img" aria-labelledby="title"' in svg


def test_labels_keep_their_digits():
    svg = draw(CHART, salt="a", labelled_by="title")
    labels = re.findall(r"<text[^>]*>([^<]+)</text>", svg)
    assert "−0.002" in labels
    assert "0.00" not in labels


def test_two_charts_can_stand_in_one_page():
    both = draw(CHART, salt="a", labelled_by="t") + draw(CHART, salt="b", labelled_by="t")
    assert problems(f'<p id="t"></p>{both}') == []


def test_a_chart_is_the_same_each_time():
    assert draw(CHART, salt="a", labelled_by="t") == draw(CHART, salt="a", labelled_by="t")


def test_one_point_is_visible_and_no_point_is_empty():
    lonely = Chart((Line([5], [1.0]),))
    assert "<use" in draw(lonely, salt="c", labelled_by="t")
    assert Chart((Line([5, 6], [None, float("nan")]),)).empty
    assert not lonely.empty


def test_an_ability_starts_at_no_change_and_marks_alarms(rough):
    chart = charts.ability_chart(rough, "lookup")
    assert (chart.lines[0].xs[0], chart.lines[0].ys[0]) == (0.0, 0.0)
    alarms = next(line for line in chart.lines if line.marker == "v")
    assert len(alarms.xs) == 6
    assert Rule(-2.0, ink="dropped", style="--") in chart.rules


def test_an_ability_that_was_never_looked_at_has_no_chart(rough):
    assert charts.ability_chart(rough, "no such ability").empty


def test_only_what_was_logged_is_drawn(gentle):
    assert set(charts.log_charts(gentle)) == {"loss", "kl", "entropy", "learning_rate"}
