"""Geometry of the speed plot: every timed pass as a dot, every baseline and the floor as a line.

Horizontal places are percent of the width, so that the drawing fits any screen without scaling its
text; the axis is logarithmic in the speed-up against eager. Vertical places are pixels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from math import ceil, floor, isfinite, log, log10
from statistics import median

from eval.records import Record, Timing
from harness.records import Attempt
from harness.scores import Place, place_name, place_of, times

_LABEL_PX, _DOT_PX, _LANE_PX, _STACK = 18, 11, 26, 9
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


class Tick(Record):
    """A number on the axis."""

    x: float
    text: str


class Lane(Record):
    """The dots of one model."""

    model: str
    y: float
    dots: tuple[Dot, ...]


class Strip(Record):
    """One plot: a problem on one GPU."""

    title: str
    top: float
    bottom: float
    height: float
    lanes: tuple[Lane, ...]
    lines: tuple[Line, ...]
    ticks: tuple[Tick, ...]


def strips(attempts: Iterable[Attempt]) -> tuple[Strip, ...]:
    """Return a plot for each problem and place where a pass was timed; none where nothing was."""
    groups: dict[tuple[str, Place], list[tuple[Attempt, Timing, float]]] = defaultdict(list)
    for attempt in attempts:
        verdict = attempt.verdict
        if verdict is None or verdict.status != "passed" or verdict.timing is None:
            continue
        ratio = verdict.timing.speedup.eager
        if ratio is not None and isfinite(ratio.median) and ratio.median > 0:
            groups[attempt.problem, place_of(attempt)].append((attempt, verdict.timing, ratio.median))
    ordered = sorted(groups.items(), key=lambda item: (item[0][0], place_name(item[0][1])))
    return tuple(_strip(f"{p} · {place_name(at)}", timed) for (p, at), timed in ordered)


def _strip(title: str, timed: Sequence[tuple[Attempt, Timing, float]]) -> Strip:
    marks = _marks([timing for _, timing, _ in timed])
    values = [*(ratio for _, _, ratio in timed), *marks.values()]
    place, ticks = _scale(min(values), max(values))
    lines = tuple(
        Line(name=name, x=place(ratio), y=14 + row * _LABEL_PX, text=times(ratio))
        for row, (name, ratio) in enumerate(sorted(marks.items(), key=lambda item: item[1]))
    )
    top = len(lines) * _LABEL_PX + 12.0
    lanes, bottom = _lanes(timed, place, top)
    return Strip(
        title=title, top=top, bottom=bottom, height=bottom + 26, lanes=lanes, lines=lines, ticks=ticks
    )


def _marks(timings: Sequence[Timing]) -> dict[str, float]:
    """Return each baseline's own speed-up against eager, the median over the attempts."""
    marks = {"eager": 1.0}
    bases: dict[str, list[float | None]] = {
        "torch.compile": [t.compile_ms.median / t.eager_ms.median if t.compile_ms else None for t in timings],
        "current code": [t.current_ms.median / t.eager_ms.median if t.current_ms else None for t in timings],
        "floor": [t.floor_ms / t.eager_ms.median if t.floor_ms else None for t in timings],
    }
    for name, parts in bases.items():
        known = [part for part in parts if part]
        if known:
            marks[name] = 1 / median(known)
    return marks


def _scale(low: float, high: float) -> tuple[Callable[[float], float], tuple[Tick, ...]]:
    low, high = low / 1.12, high * 1.12
    span = log(high) - log(low)

    def place(ratio: float) -> float:
        return round(2 + 96 * (log(ratio) - log(low)) / span, 2)

    decades = range(floor(log10(low)), ceil(log10(high)) + 1)
    few = high / low > 100  # noqa: PLR2004 - more than two decades: round numbers alone
    steps = (1.0,) if few else (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
    values = [step * 10.0**decade for decade in decades for step in steps]
    return place, tuple(
        Tick(x=place(v), text=f"{v:g}\N{MULTIPLICATION SIGN}") for v in values if low <= v <= high
    )


def _lanes(
    timed: Sequence[tuple[Attempt, Timing, float]], place: Callable[[float], float], top: float
) -> tuple[tuple[Lane, ...], float]:
    by_model: dict[str, list[tuple[Attempt, Timing, float]]] = defaultdict(list)
    for item in timed:
        by_model[item[0].reply.model].append(item)
    lanes, y = [], top
    for model in sorted(by_model):
        stacks: dict[int, int] = defaultdict(int)
        dots = []
        for attempt, timing, ratio in sorted(by_model[model], key=lambda item: (item[2], item[0].id)):
            x = place(ratio)
            level = stacks[int(x / _BIN_PERCENT)] % _STACK
            stacks[int(x / _BIN_PERCENT)] += 1
            dots.append((attempt, timing, ratio, x, level))
        tallest = min(max(stacks.values()), _STACK)
        base = y + _LANE_PX + (tallest - 1) * _DOT_PX + 6
        lanes.append(
            Lane(
                model=model,
                y=y + 15,
                dots=tuple(_dot(a, t, r, x, base - level * _DOT_PX) for a, t, r, x, level in dots),
            )
        )
        y = base + 14
    return tuple(lanes), y


def _dot(attempt: Attempt, timing: Timing, ratio: float, x: float, y: float) -> Dot:
    stage = attempt.verdict.tracks.stage if attempt.verdict else None
    legal = {True: "legal in its stage", False: "open track only", None: "stage not decided"}[stage]
    label = f"{attempt.reply.model} #{attempt.reply.sample}: {times(ratio)} eager, "
    return Dot(
        attempt=attempt.id,
        x=x,
        y=y,
        stage=stage,
        label=f"{label}{timing.candidate_ms.median:.4g} ms, {legal}",
    )
