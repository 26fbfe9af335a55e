"""From a cell to what is shown: a value and its 95 % interval, None for "not measured"."""

from __future__ import annotations

from math import exp, isfinite, isnan

from eval.records import Record
from harness.scores.cells import Cell
from harness.scores.formulas import wilson


class Estimate(Record):
    """A number with its 95 % interval; the ends are None where nothing can be said of them."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


class Rate(Record):
    """A share with its interval; `count / total` is it for one problem, over several it is their mean."""

    count: int
    total: int
    value: float | None
    low: float | None
    high: float | None


def estimate(value: float, ends: tuple[float, float] | None) -> Estimate:
    """Return what is shown; an interval always holds its value, and an end that is no number is unknown."""
    if isnan(value):
        return Estimate()
    if ends is None or isnan(ends[0]) or isnan(ends[1]):
        return Estimate(value=value)
    low, high = min(ends[0], value), max(ends[1], value)
    return Estimate(value=value, low=low if isfinite(low) else None, high=high if isfinite(high) else None)


def share(cell: Cell, name: str, total: int) -> Estimate:
    """Return a statistic that is a share of `total` attempts.

    One problem: Wilson's interval, since a bootstrap of 10 in 10 would claim certainty. Several: the
    bootstrap over problems and samples; where all its resamples agree, Wilson's with the number of
    problems for the number of attempts.
    """
    value = cell.values[name]
    if isnan(value):
        return Estimate()
    if cell.problems == 1:
        return estimate(value, wilson(value * total, total))
    ends = cell.ends[name]
    if ends[1] - ends[0] < 1e-9:  # noqa: PLR2004 - equal but for rounding
        ends = wilson(value * cell.problems, cell.problems) or ends
    return estimate(value, ends)


def at_least_one(cell: Cell, k: int) -> Estimate:
    """Return pass@k; for one problem its interval is that of the correct rate, put through 1 - (1 - p)^k."""
    if cell.problems > 1:
        return share(cell, f"pass@{k}", 0)
    ends = wilson(cell.count("correct"), cell.count("decided"))
    moved = (1 - (1 - ends[0]) ** k, 1 - (1 - ends[1]) ** k) if ends else None
    return estimate(cell.values[f"pass@{k}"], moved)


def mean(cell: Cell, name: str, measured: int) -> Estimate:
    """Return a statistic that is no share; one measurement has no interval."""
    return estimate(cell.values[name], cell.ends.get(name) if measured > 1 else None)


def geometric(cell: Cell, name: str, measured: int) -> Estimate:
    """Return exp of the mean of logarithms, each problem with the same weight."""
    logs = mean(cell, f"log_{name}", measured)
    value, low, high = (None if end is None else exp(end) for end in (logs.value, logs.low, logs.high))
    return Estimate(value=value, low=low, high=high)


def counted(cell: Cell, name: str, count: str, total: str) -> Rate:
    """Return a share together with its counts."""
    part, whole = cell.count(count), cell.count(total)
    found = share(cell, name, whole)
    return Rate(count=part, total=whole, value=found.value, low=found.low, high=found.high)
