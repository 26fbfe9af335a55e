"""Medians, their intervals, when to stop measuring, and what to do with the result. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from eval.records import Quantity, Ratio

Samples = npt.NDArray[np.float64]

RESAMPLES = 2000
CONFIDENCE = 0.95
_NORMAL_95 = 1.96
LEAST_SAMPLES = 20
_LONG_MS = 1.0
_TARGET_LONG = 0.0025
_TARGET_SHORT = 0.01
_DRIFT_LIMIT = 0.03
_LEAST_PLACES = 4
"""With fewer nothing can be said of how places differ."""


def _resampled_medians(samples: Samples, rng: np.random.Generator) -> Samples:
    """Draw medians of resamples, each by its place among the sorted samples, without drawing the resample.

    A resample is n uniform places, and the k-th smallest of n uniform numbers is Beta(k, n + 1 - k)
    (David and Nagaraja, Order Statistics). For an even n the next one up is the least of the other
    n / 2, which lie evenly above it. The law is that of drawing n samples and taking their median, and the
    cost does not grow with n: the stop rule asks between timed rounds.
    """
    ordered, count, half = np.sort(samples), len(samples), len(samples) // 2
    if count % 2:
        return _at(ordered, rng.beta(half + 1, half + 1, RESAMPLES))
    lower = rng.beta(half, half + 1, RESAMPLES)
    upper = lower + (1 - lower) * rng.beta(1, half, RESAMPLES)
    return (_at(ordered, lower) + _at(ordered, upper)) / 2


def _at(ordered: Samples, places: Samples) -> Samples:
    """Return the elements at `places`, from 0 at the first to 1 behind the last."""
    found: Samples = ordered[np.minimum((places * len(ordered)).astype(np.intp), len(ordered) - 1)]
    return found


def _interval(values: Samples) -> tuple[float, float]:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def _widened(low: float, median: float, high: float, places: float) -> tuple[float, float]:
    """Add an independent half-width, relative to the median, to both sides of an interval."""
    if not places:
        return low, high
    more = places * median
    return max(0.0, median - math.hypot(median - low, more)), median + math.hypot(high - median, more)


def place_half_width(turns_ms: Sequence[Sequence[float]]) -> float:
    """Return how sure a mean over places is: half of its 95 % interval, relative to it.

    Each turn has one time for each place where inputs and outputs lie, always the same places in order. How
    fast memory is depends on the place (docs/timing.md), and those of one runner are a sample of all. 0 where
    they are fewer than four: then they are so large that each is a mean itself. 1 at most, as where times are
    such that nothing can be said.
    """
    times = np.asarray(turns_ms, dtype=np.float64)
    if times.ndim != 2 or times.shape[1] < _LEAST_PLACES:  # noqa: PLR2004
        return 0.0
    places = np.median(times, axis=0)
    count = len(places)
    # Student's distribution is so much wider than the normal one.
    few = math.sqrt((count - 1) / (count - 3))
    with np.errstate(over="ignore", invalid="ignore"):  # a runner may say anything
        middle, error = float(np.mean(places)), float(np.std(places, ddof=1)) / math.sqrt(count)
    return min(1.0, _NORMAL_95 * few * error / middle) if middle > 0 else 1.0


def quantity(samples_ms: list[float], places: float = 0.0, seed: int = 0) -> Quantity:
    """Median with its 95 % interval: a percentile bootstrap, and the relative half-width from `places`."""
    samples = np.asarray(samples_ms, dtype=np.float64)
    median = float(np.median(samples))
    low, high = _interval(_resampled_medians(samples, np.random.default_rng(seed)))
    low, high = _widened(low, median, high, places)
    return Quantity(median=median, low=low, high=high, samples=len(samples))


def ratio(
    numerator_ms: list[float], denominator_ms: list[float], places: float = 0.0, seed: int = 0
) -> Ratio:
    """Ratio of medians with its 95 % interval; both sides are resampled, `places` is that of both."""
    rng = np.random.default_rng(seed)
    above = np.asarray(numerator_ms, dtype=np.float64)
    below = np.asarray(denominator_ms, dtype=np.float64)
    median = float(np.median(above) / np.median(below))
    low, high = _interval(_resampled_medians(above, rng) / _resampled_medians(below, rng))
    low, high = _widened(low, median, high, places)
    return Ratio(median=median, low=low, high=high)


def precise_enough(numerator_ms: list[float], denominator_ms: list[float]) -> bool:
    """Apply the stop rule: 20 samples, and the interval of the ratio within ±0.25 % (±1 % below 1 ms)."""
    if min(len(numerator_ms), len(denominator_ms)) < LEAST_SAMPLES:
        return False
    found = ratio(numerator_ms, denominator_ms)
    target = _TARGET_LONG if float(np.median(denominator_ms)) >= _LONG_MS else _TARGET_SHORT
    return (found.high - found.low) / 2 <= target * found.median


def drifts(samples_ms: list[float]) -> bool:
    """Tell whether the second half is more than 3 % slower or faster than the first."""
    half = len(samples_ms) // 2
    if half < LEAST_SAMPLES // 4:
        return False
    first, second = np.median(samples_ms[:half]), np.median(samples_ms[half:])
    return bool(abs(second / first - 1) > _DRIFT_LIMIT)


def decide(
    gain: Ratio | None, min_gain: float | None, *, stable: bool
) -> Literal["keep", "revert", "inconclusive"] | None:
    """Keep, revert or neither, against the current code.

    `gain` is the time of the current code over the candidate's. Keep where its low end reaches
    1 + `min_gain`; revert where its high end is below that, or the timing is not stable.
    """
    if gain is None or min_gain is None:
        return None
    if not stable or gain.high < 1 + min_gain:
        return "revert"
    return "keep" if gain.low >= 1 + min_gain else "inconclusive"


def spread(samples: list[float]) -> float:
    """Median absolute deviation, scaled to a standard deviation."""
    values = np.asarray(samples, dtype=np.float64)
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def median(samples: list[float]) -> float:
    """Median of a list."""
    return float(np.median(np.asarray(samples, dtype=np.float64)))
