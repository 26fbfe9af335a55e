"""A drawing of curves and marks on two axes: records that the template draws, nothing more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from eval.records import Record
from harness.report.axes import Axis, Tick

STYLES = 8
"""Colours, dashes and shapes; the ninth model looks like the first."""
HEIGHT = 230.0


class Mark(Record):
    """One point with its shape, and a whisker where it has an interval."""

    style: int
    x: float
    y: float
    low: float | None = None
    high: float | None = None
    label: str


class Curve(Record):
    """One line: points as SVG writes them, x in percent and y in pixels."""

    style: int
    points: str


class Key(Record):
    """One entry of a legend."""

    style: int
    name: str


class XY(Record):
    """One drawing."""

    title: str
    label: str
    """What somebody hears who does not see it."""
    x_name: str
    y_name: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    height: float = HEIGHT
    curves: tuple[Curve, ...] = ()
    marks: tuple[Mark, ...] = ()


class Figure(Record):
    """Drawings that share a heading and a legend."""

    title: str
    keys: tuple[Key, ...]
    plots: tuple[XY, ...]


def keys_of(models: Iterable[str]) -> dict[str, Key]:
    """Return the look of each model: the same in every drawing of a page."""
    return {name: Key(style=at % STYLES, name=name) for at, name in enumerate(sorted(set(models)))}


def curve(style: int, points: Sequence[tuple[float, float]], x: Axis, y: Axis) -> Curve:
    """Return a line through points given by value."""
    return Curve(style=style, points=" ".join(f"{x.place(a)},{y.place(b)}" for a, b in points))
