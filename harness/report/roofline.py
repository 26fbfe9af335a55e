"""The roofline: how many bytes a second each implementation moves, and where the roof is.

The bytes are those that any implementation must read and write, inputs and outputs once each, so the
copy bandwidth measured on the GPU is the roof: a candidate beyond it found bytes that need not move.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from statistics import median

from eval.records import Record
from harness.records import Facts
from harness.report.axes import Tick, log_axis
from harness.report.xy import Key
from harness.scores import Place, percent, place_name, place_of

_LANE_PX = 44.0
_BASELINES = ("eager", "torch.compile", "current code")


class Point(Record):
    """One implementation: a baseline, or the fastest candidate of a model."""

    name: str
    style: int | None
    """None for a baseline."""
    x: float
    gb_per_s: float
    of_roof: str
    attempt: str | None = None


class Lane(Record):
    """One problem."""

    problem: str
    y: float
    roof: float
    floor: float | None
    """Where the floor lies, if not at the roof: more than memory limits it."""
    points: tuple[Point, ...]
    roof_gb_per_s: float


class Roofline(Record):
    """One GPU."""

    title: str
    height: float
    ticks: tuple[Tick, ...]
    lanes: tuple[Lane, ...]
    keys: tuple[Key, ...]


def rooflines(facts: Iterable[Facts], keys: Mapping[str, Key]) -> tuple[Roofline, ...]:
    """Return a drawing for each place where a pass was timed and the bytes are known."""
    places: dict[Place, dict[str, list[Facts]]] = defaultdict(lambda: defaultdict(list))
    for one in facts:
        if one.status == "passed" and one.ms and one.bytes and one.copy_gb_per_s:
            places[place_of(one)][one.problem].append(one)
    ordered = sorted(places.items(), key=lambda item: place_name(item[0]))
    return tuple(_roofline(place_name(place), problems, keys) for place, problems in ordered)


def _roofline(title: str, problems: dict[str, list[Facts]], keys: Mapping[str, Key]) -> Roofline:
    speeds = {problem: _speeds(members) for problem, members in problems.items()}
    roofs = {
        problem: median([m.copy_gb_per_s or 0 for m in members]) for problem, members in problems.items()
    }
    floors = {problem: _floor(members) for problem, members in problems.items()}
    values = [speed for found in speeds.values() for speed, _ in found.values()]
    axis = log_axis([*values, *roofs.values(), *floors.values()], 2, 98)
    lanes = []
    for at, problem in enumerate(sorted(problems)):
        roof, floor = roofs[problem], floors[problem]
        points = tuple(
            Point(
                name=name,
                style=None if attempt is None else keys[name].style,
                x=axis.place(speed),
                gb_per_s=speed,
                of_roof=percent(speed / roof),
                attempt=attempt,
            )
            for name, (speed, attempt) in speeds[problem].items()
        )
        apart = abs(floor / roof - 1) > 0.02  # noqa: PLR2004 - nearer ones cannot be told apart
        lanes.append(
            Lane(
                problem=problem,
                y=20 + at * _LANE_PX,
                roof=axis.place(roof),
                floor=axis.place(floor) if apart else None,
                points=points,
                roof_gb_per_s=roof,
            )
        )
    shown = sorted({m.model for members in problems.values() for m in members})
    return Roofline(
        title=title,
        height=20 + len(lanes) * _LANE_PX + 26,
        ticks=axis.ticks,
        lanes=tuple(lanes),
        keys=tuple(keys[name] for name in shown),
    )


def _speeds(members: list[Facts]) -> dict[str, tuple[float, str | None]]:
    """Return GB/s by name: of the baselines the median over the attempts, of each model the best."""

    def moved(one: Facts, ms: float) -> float:
        return (one.bytes or 0.0) / ms / 1e6

    found: dict[str, tuple[float, str | None]] = {}
    for name, baseline in zip(_BASELINES, ("eager", "compile", "current"), strict=True):
        known = [moved(one, (one.ms or 0.0) * ratio) for one in members if (ratio := getattr(one, baseline))]
        if known:
            found[name] = (median(known), None)
    for model in sorted({one.model for one in members}):
        best = min((one for one in members if one.model == model), key=lambda one: one.ms or 0.0)
        found[model] = (moved(best, best.ms or 1.0), best.id)
    return found


def _floor(members: list[Facts]) -> float:
    known = [(one.bytes or 0.0) / ((one.ms or 1.0) * one.floor) / 1e6 for one in members if one.floor]
    return median(known) if known else median([one.copy_gb_per_s or 0.0 for one in members])
