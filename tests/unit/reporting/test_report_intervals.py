from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from synthetic_run import domain_verdict, verdict

from forgetless.records import Verdict
from forgetless.reporting.intervals import Scale, interval_plot, shared_scale, whole_scale

KEPT, DROPPED = verdict("lookup", -0.001), verdict("facts", -0.4)


def test_a_large_drop_is_cut_and_does_not_flatten_the_others():
    scale = shared_scale([KEPT, DROPPED])
    assert scale.low >= -0.12
    plot, cut = interval_plot(KEPT, scale), interval_plot(DROPPED, scale)
    assert cut.cut_left
    assert not cut.cut_right
    assert not plot.cut_left
    assert plot.decides[1] - plot.decides[0] > 3


def test_marks_stand_in_the_order_of_their_values():
    plot = interval_plot(KEPT, shared_scale([KEPT]))
    assert plot.margin < plot.interval[0] < plot.decides[0] < plot.estimate < plot.decides[1] < plot.interval[1]
    assert plot.margin < plot.zero


def test_the_domain_is_shown_from_no_change_on():
    scale = whole_scale([domain_verdict(0.9)])
    plot = interval_plot(domain_verdict(0.9), scale)
    assert plot.margin is None
    assert 0 < plot.zero < 10 < 85 < plot.estimate < 100
    assert "0" in [tick.label for tick in scale.ticks]


def test_nothing_known_gives_no_plot():
    bare = Verdict(capability="x", outcome="undecided", n=1, alpha=0.05, margin=0.02)
    assert interval_plot(bare, shared_scale([bare])) is None
    assert interval_plot(replace(bare, estimate=0.0), shared_scale([bare])).decides is None


@given(st.floats(-1, 0.5), st.floats(1e-3, 1))
def test_positions_stay_inside_and_ticks_are_few_and_round(low, width):
    scale = Scale(low, low + width)
    assert scale.at(-9.0) == 0.0
    assert scale.at(9.0) == 100.0
    ticks = scale.ticks
    assert 1 <= len(ticks) <= 8
    assert [t.at for t in ticks] == sorted(t.at for t in ticks)
    assert all(0 <= t.at <= 100 for t in ticks)
    assert len({t.label for t in ticks}) == len(ticks)


def test_bars_outside_the_window_do_not_stretch_it():
    assert shared_scale([KEPT, DROPPED]) == shared_scale([KEPT])
