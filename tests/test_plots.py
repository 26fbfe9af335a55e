"""What the plots say, by hand: places on axes, curves, roofs, prices and stages."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_attempts import H100, attempt, incorrect, passed, timing

from harness.report import sections
from harness.report.axes import Axis, log_axis
from harness.report.curves import curves
from harness.report.roofline import rooflines
from harness.report.spending import spending
from harness.report.stages import progress
from harness.report.strip import DOTS_MOST, strips
from harness.report.xy import STYLES, keys_of
from harness.scores import facts_of, score_table

ROOM = {"bytes": 9.0e9, "copy_gb_per_s": 3000.0}


def facts(number, verdict, model="m", **fields):
    return facts_of(attempt(number, verdict, model=model, **fields))


def points(curve):
    return [tuple(map(float, point.split(","))) for point in curve.points.split()]


positive = st.floats(1e-6, 1e9)


@settings(deadline=None)
@given(st.lists(positive, min_size=1, max_size=9))
def test_every_value_lies_on_its_axis_in_order_with_a_few_numbers_beside_it(values):
    axis = log_axis(values, 2, 98)
    places = [axis.place(value) for value in sorted(values)]
    assert places == sorted(places)
    assert all(2 <= place <= 98 for place in places)
    assert 1 <= len(axis.ticks) <= 8
    assert all(2 <= tick.at <= 98 for tick in axis.ticks)


def test_an_axis_by_hand():
    axis = Axis(0, 4, 0, 100, logarithmic=False)
    assert [axis.place(value) for value in (0, 1, 4, 9, -1)] == [0, 25, 100, 100, 0]
    assert [tick.text for tick in axis.ticks] == ["0", "1", "2", "3", "4"]
    assert log_axis([1.0, 100.0], 0, 100).place(10.0) == pytest.approx(50)


def test_the_ninth_model_looks_like_the_first():
    keys = keys_of([f"model {n}" for n in range(STYLES + 1)])
    assert keys["model 8"].style == keys["model 0"].style == 0
    assert len({key.style for key in keys.values()}) == STYLES


def test_a_curve_starts_at_the_correct_rate_and_falls_past_the_fastest():
    rows = [
        facts(1, passed(timing(2.0)), stage=None),
        facts(2, passed(timing(1.0)), stage=None),
        facts(3, incorrect(), stage=None),
        facts(4, incorrect(), stage=None),
    ]
    (figure,) = curves(rows, keys_of(["m"]))
    (plot,) = figure.plots
    line = points(plot.curves[0])
    heights = [y for _, y in line]
    full, none = plot.y_ticks[-1].at, plot.y_ticks[0].at
    half = (full + none) / 2
    assert heights[0] == pytest.approx(half, abs=0.1)
    assert heights[-1] == none
    assert heights == sorted(heights)  # y grows downwards
    assert "at p = 1: m 25 %" in plot.label
    assert figure.title == f"{H100} · open track"


def test_there_is_no_curve_without_a_gpu_and_none_for_a_baseline_that_was_not_timed():
    assert curves([facts(1, passed(device="cpu"), device="cpu")], keys_of(["m"])) == ()
    (figure, _) = curves([facts(1, passed(timing(2.0, None, 1.5)))], keys_of(["m"]))
    assert [plot.title for plot in figure.plots] == ["against eager PyTorch", "against the current code"]


def test_the_roof_and_what_is_under_it():
    rows = [
        facts(1, passed(timing(2.0, 1.0, fraction=0.5, **ROOM)), stage=None),
        facts(2, passed(timing(3.0, 1.5, fraction=0.75, **ROOM)), stage=None),
        facts(3, incorrect(), stage=None),
    ]
    (roof,) = rooflines(rows, keys_of(["m"]))
    (lane,) = roof.lanes
    shown = {point.name: (point.gb_per_s, point.of_roof) for point in lane.points}
    assert shown == {
        "eager": (pytest.approx(1000), "33 %"),  # 9 GB in 9 ms
        "torch.compile": (pytest.approx(2000), "67 %"),
        "m": (pytest.approx(3000), "100 %"),
    }
    assert lane.roof_gb_per_s == 3000
    assert lane.floor is not None  # 9 GB in 2.25 ms: the floor lies beyond the copy


def test_without_bytes_there_is_no_roofline():
    assert rooflines([facts(1, passed(timing(2.0)))], keys_of(["m"])) == ()


@pytest.mark.parametrize(
    ("cost", "tokens", "name"), [(0.5, 100, "cost"), (None, 100, "tokens"), (None, None, None)]
)
def test_money_before_tokens_before_nothing(cost, tokens, name):
    rows = [
        facts(n, passed(timing(2.0 + n)), stage=None)._replace(cost=cost, tokens=tokens) for n in range(3)
    ]
    found = spending(score_table(rows), keys_of(["m"]))
    assert [plot.x_name for figure in found for plot in figure.plots] == (
        [f"{name} for each correct candidate"] if name else []
    )


def test_progress_keeps_what_was_reached_and_counts_what_is_legal():
    stages = [
        ("seed", 1.5, True, "a"),
        ("fusion", 3.0, True, "b"),
        ("tuning", 2.0, True, "c"),
        ("tuning", 9.0, False, "d"),
    ]
    rows = [
        facts(n, passed(timing(speed), stage=legal), stage=stage, created=created)
        for n, (stage, speed, legal, created) in enumerate(stages)
    ]
    (figure,) = progress(rows, keys_of(["m"]))
    (plot,) = figure.plots
    assert [tick.text for tick in plot.x_ticks] == ["seed", "fusion", "tuning"]
    assert [mark.label.rsplit(": ", 1)[1] for mark in plot.marks] == [
        f"{speed}\N{MULTIPLICATION SIGN} eager" for speed in ("1.50", "3.00", "3.00")
    ]


def test_one_stage_is_no_progress():
    assert progress([facts(1, passed(timing(2.0)))], keys_of(["m"])) == ()


def test_too_many_dots_become_a_histogram():
    rows = [facts(n, passed(timing(1.0 + n / 1000))) for n in range(DOTS_MOST + 1)]
    (strip,) = strips(rows)
    (lane,) = strip.lanes
    assert lane.dots == ()
    assert sum(bar.count for bar in lane.bars) == DOTS_MOST + 1
    assert all(bar.y >= 0 for bar in lane.bars)


def test_stale_and_struck_attempts_are_in_no_plot():
    rows = [
        facts(1, passed(timing(9.0, **ROOM)), evaluator="0", created="2026-01-01"),
        facts(2, passed(timing(8.0, **ROOM)), void_reason="x"),
        facts(3, passed(timing(2.0, **ROOM))),
    ]
    page = sections(rows)
    assert [dot.attempt for strip in page.strips for lane in strip.lanes for dot in lane.dots] == ["000003"]
    assert [point.attempt for roof in page.rooflines for lane in roof.lanes for point in lane.points][
        -1
    ] == "000003"
    assert page.stale_ids == {"000001"}
    assert len(page.stale_boards) == 1
