"""The formulas, on plain counts and ratios.

None always means "not measured" or "not decided"; it is never turned into a number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import exp, isfinite, log, sqrt
from statistics import fmean, median
from typing import Literal

from eval.records import Record

Baseline = Literal["eager", "compile", "current"]
BASELINES: tuple[Baseline, ...] = ("eager", "compile", "current")
THRESHOLDS = (0.0, 0.5, 0.8, 1.0, 1.5, 2.0, 3.0)
"""The p of `fast_p`."""

_Z95 = 1.959963984540054


class Rate(Record):
    """`count / total` with its 95 % Wilson interval; all None where `total` is 0."""

    count: int
    total: int
    value: float | None
    low: float | None
    high: float | None


class Spread(Record):
    """How a set of measured ratios lies; all None where nothing was measured."""

    best: float | None
    """The highest."""
    median: float | None
    geometric_mean: float | None
    """exp(mean(log(ratio))): 2x and 0.5x average to 1x."""
    measured: int
    coverage: float | None
    """`measured` over all that were decided: a mean over one lucky pass of ten shows 0.1."""


def wilson(count: int, total: int) -> tuple[float, float] | None:
    """Return the 95 % score interval of a proportion (Wilson 1927), or None where `total` is 0."""
    if total == 0:
        return None
    share, z2 = count / total, _Z95 * _Z95
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z95 * sqrt(share * (1 - share) / total + z2 / (4 * total * total)) / (1 + z2 / total)
    low = 0.0 if count == 0 else max(0.0, centre - half)
    high = 1.0 if count == total else min(1.0, centre + half)
    return low, high


def rate(count: int, total: int) -> Rate:
    """Return `count / total` and its interval."""
    interval = wilson(count, total)
    low, high = interval or (None, None)
    return Rate(count=count, total=total, value=count / total if total else None, low=low, high=high)


def usable(ratios: Iterable[float | None]) -> list[float]:
    """Return the measured ratios, ascending; zero, negative and non-finite ones measure nothing."""
    return sorted(ratio for ratio in ratios if ratio is not None and isfinite(ratio) and ratio > 0)


def spread(ratios: Iterable[float | None], decided: int) -> Spread:
    """Summarise the ratios of the correct attempts out of `decided` attempts."""
    known = usable(ratios)
    if not known:
        return Spread(
            best=None,
            median=None,
            geometric_mean=None,
            measured=0,
            coverage=0.0 if decided else None,
        )
    return Spread(
        best=known[-1],
        median=median(known),
        geometric_mean=exp(fmean([log(ratio) for ratio in known])),
        measured=len(known),
        coverage=len(known) / decided if decided else None,
    )


def fast_p(correct: Sequence[float | None], decided: int, p: float) -> float | None:
    """Return the share of decided attempts that are correct and more than `p` times as fast.

    `correct` holds one speed-up for each correct attempt, None where it was not measured. With all
    of them measured this is KernelBench's fast_p (Ouyang et al. 2025), count(correct and
    speedup > p) / decided. With some unmeasured it is the correct rate times the share above `p`
    among the measured, so that a missing time counts neither as slow nor as fast. None where
    nothing is decided, or where something is correct and nothing was measured. Failures are in
    the denominator and never above any p.
    """
    if not decided:
        return None
    if not correct:
        return 0.0
    known = usable(correct)
    if not known:
        return None
    above = sum(ratio > p for ratio in known)
    return len(correct) * above / (decided * len(known))
