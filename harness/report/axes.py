"""Axes of the plots: where a value lies, and which round numbers stand beside it.

Horizontal places are percent of the width, so that a drawing fits any screen without scaling its text;
vertical places are pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, floor, log, log10

from eval.records import Record

_MARGIN, _TWO_DECADES = 1.12, 100


class Tick(Record):
    """A number on an axis."""

    at: float
    text: str


class Axis:
    """Maps values to places; logarithmic or linear."""

    def __init__(
        self,
        low: float,
        high: float,
        start: float,
        end: float,
        *,
        logarithmic: bool,
        text: Callable[[float], str] = lambda value: f"{value:g}",
    ) -> None:
        self._turn: Callable[[float], float] = log if logarithmic else float
        self._low, self._high = low, high
        self._start, self._end = start, end
        values = _round_logs(low, high) if logarithmic else _round_steps(low, high)
        self.ticks = tuple(Tick(at=self.place(value), text=text(value)) for value in values)

    def place(self, value: float) -> float:
        """Return where a value lies; what is outside lies on the edge."""
        low, high = self._turn(self._low), self._turn(self._high)
        part = (self._turn(min(max(value, self._low), self._high)) - low) / (high - low)
        return round(self._start + (self._end - self._start) * part, 2)


def plain(value: float) -> str:
    """Write a number on an axis: 0.5, 20, 2500."""
    return f"{value:g}"


def log_axis(values: Sequence[float], start: float, end: float, text: Callable[[float], str] = plain) -> Axis:
    """Return a logarithmic axis on which all values lie."""
    return Axis(min(values) / _MARGIN, max(values) * _MARGIN, start, end, logarithmic=True, text=text)


def _round_logs(low: float, high: float) -> list[float]:
    decades = range(floor(log10(low)), ceil(log10(high)) + 1)
    few = high / low > _TWO_DECADES
    steps = (1.0,) if few else (1.0, 2.0, 5.0) if high / low > 12 else (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)  # noqa: PLR2004 - a decade
    found = [step * 10.0**decade for decade in decades for step in steps]
    inside = [value for value in found if low <= value <= high]
    if len(inside) < 2:  # noqa: PLR2004 - one number shows no scale
        near = (float(f"{low * (high / low) ** part:.2g}") for part in (0.1, 0.5, 0.9))
        inside = sorted({value for value in near if low <= value <= high})
    return inside[:: max(1, ceil(len(inside) / 6))]


def _round_steps(low: float, high: float) -> list[float]:
    size = 10 ** floor(log10((high - low) / 2))
    step = next(s for s in (size, 2 * size, 5 * size, 10 * size) if (high - low) / s <= 6)  # noqa: PLR2004 - numbers
    return [step * n for n in range(ceil(low / step), floor(high / step) + 1)]
