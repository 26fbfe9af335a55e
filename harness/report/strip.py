"""Geometry of the speed plot: every timed pass as a dot, every baseline and the floor as a line.

Horizontal places are percent of the width, so that the drawing fits any screen without scaling its
text; the axis is logarithmic in the speed-up against eager. Vertical places are pixels.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from math import isfinite
from statistics import median

from eval.records import Record
from harness.records import Facts
from harness.report.axes import Tick, log_axis
from harness.scores import Place, place_name, place_of, times

_LABEL_PX, _DOT_PX, _LANE_PX, _LANE_MOST_PX = 18, 11, 26, 110
DOTS_MOST = 400
"""Attempts of one model that are drawn one by one; more become the bars of a histogram."""
_BIN_PERCENT = 2.2


class Dot(Record):
    """One timed attempt."""

    attempt: str
    x: float
    y: float
    stage: bool | None
    label: str


class Line(Record):
    """A baseline or the floor, with its label on a row of its own."""

    name: str
    x: float
    y: float
    text: str


class Bar(Record):
    """How many attempts lie in one slice of the axis."""

    x: float
    y: float
    width: float
    height: float
    count: int


class Lane(Record):
    """The dots of one model, or its bars where the dots would be too many."""

    model: str
    y: float
    dots: tuple[Dot, ...]
    bars: tuple[Bar, ...]


class Strip(Record):
    """One plot: a problem on one GPU."""

    title: str
    top: float
    bottom: float
    height: float
    lanes: tuple[Lane, ...]
    lines: tuple[Line, ...]
    ticks: tuple[Tick, ...]


def strips(facts: Iterable[Facts]) -> tuple[Strip, ...]:
    """Return a plot for each problem and place where a pass was timed; none where nothing was."""
    groups: dict[tuple[str, Place], list[Facts]] = defaultdict(list)
    for one in facts:
        if one.status == "passed" and one.eager is not None and isfinite(one.eager) and one.eager > 0:
            groups[one.problem, place_of(one)].append(one)
    ordered = sorted(groups.items(), key=lambda item: (item[0][0], place_name(item[0][1])))
    return tuple(_strip(f"{p} · {place_name(at)}", timed) for (p, at), timed in ordered)


def _gain(facts: Facts) -> float:
    return facts.eager or 0.0


def _strip(title: str, timed: Sequence[Facts]) -> Strip:
    marks = marks_of(timed)
    values = [*map(_gain, timed), *marks.values()]
    axis = log_axis(values, 2, 98, lambda value: f"{value:g}\N{MULTIPLICATION SIGN}")
    place = axis.place
    lines = tuple(
        Line(name=name, x=place(ratio), y=14 + row * _LABEL_PX, text=times(ratio))
        for row, (name, ratio) in enumerate(sorted(marks.items(), key=lambda item: item[1]))
    )
    top = len(lines) * _LABEL_PX + 12.0
    lanes, bottom = _lanes(timed, place, top)
    return Strip(
        title=title, top=top, bottom=bottom, height=bottom + 26, lanes=lanes, lines=lines, ticks=axis.ticks
    )


def marks_of(timed: Sequence[Facts]) -> dict[str, float]:
    """Return each baseline's own speed-up against eager, the median over the attempts."""
    bases = {
        "torch.compile": [_gain(one) / one.compile for one in timed if one.compile],
        "current code": [_gain(one) / one.current for one in timed if one.current],
        "floor": [_gain(one) / one.floor for one in timed if one.floor],
    }
    return {"eager": 1.0} | {name: median(known) for name, known in bases.items() if known}


def _lanes(
    timed: Sequence[Facts], place: Callable[[float], float], top: float
) -> tuple[tuple[Lane, ...], float]:
    by_model: dict[str, list[Facts]] = defaultdict(list)
    for one in timed:
        by_model[one.model].append(one)
    lanes, y = [], top
    for model in sorted(by_model):
        members = sorted(by_model[model], key=lambda one: (_gain(one), one.id))
        bins = [int(place(_gain(one)) / _BIN_PERCENT) for one in members]
        heights = Counter(bins)
        step = min(_DOT_PX, _LANE_MOST_PX / max(heights.values()))
        base = y + _LANE_PX + (max(heights.values()) - 1) * step + 6
        if len(members) > DOTS_MOST:
            bars = tuple(
                Bar(
                    x=at * _BIN_PERCENT,
                    y=base - n * step,
                    height=n * step,
                    width=_BIN_PERCENT * 0.86,
                    count=n,
                )
                for at, n in sorted(heights.items())
            )
            lanes.append(Lane(model=model, y=y + 15, dots=(), bars=bars))
        else:
            seen: Counter[int] = Counter()
            dots = []
            for one, at in zip(members, bins, strict=True):
                dots.append(_dot(one, place(_gain(one)), base - seen[at] * step))
                seen[at] += 1
            lanes.append(Lane(model=model, y=y + 15, dots=tuple(dots), bars=()))
        y = base + 14
    return tuple(lanes), y


def _dot(facts: Facts, x: float, y: float) -> Dot:
    legal = {True: "legal in its stage", False: "open track only", None: "stage not decided"}
    label = f"{facts.model} #{facts.sample}: {times(facts.eager)} eager"
    time = f", {facts.ms:.4g} ms" if facts.ms is not None else ""
    return Dot(
        attempt=facts.id,
        x=x,
        y=round(y, 2),
        stage=facts.stage_legal,
        label=f"{label}{time}, {legal[facts.stage_legal]}",
    )
