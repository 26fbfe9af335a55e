"""The formulas, on counts and sums: plain numbers, or arrays with one value for each resample.

NaN means "not measured" or "not decided" here and becomes None on the way out; it is never turned
into a number. docs/scores.md derives each formula and says what it leaves out.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import sqrt
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Baseline = Literal["eager", "compile", "current"]
BASELINES: tuple[Baseline, ...] = ("eager", "compile", "current")
THRESHOLDS = (0.0, 0.5, 0.8, 1.0, 1.5, 2.0, 3.0)
"""The p of `fast_p`."""
KS = (1, 5, 10)
"""The k of `pass_at_k` and `best_at_k`."""

Numbers = NDArray[np.floating[Any]]
_Z95 = 1.959963984540054


def wilson(count: float, total: float) -> tuple[float, float] | None:
    """Return the 95 % score interval of a proportion (Wilson 1927), or None where `total` is 0."""
    if total == 0:
        return None
    share, z2 = count / total, _Z95 * _Z95
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z95 * sqrt(max(0.0, share * (1 - share) / total) + z2 / (4 * total * total)) / (1 + z2 / total)
    low = 0.0 if count == 0 else max(0.0, centre - half)
    high = 1.0 if count == total else min(1.0, centre + half)
    return low, high


def newcombe(
    share: float, ends: tuple[float, float], other: float, other_ends: tuple[float, float]
) -> tuple[float, float]:
    """Return the 95 % interval of `other - share` from both Wilson intervals (Newcombe 1998, method 10)."""
    low = other - share - sqrt((other - other_ends[0]) ** 2 + (ends[1] - share) ** 2)
    high = other - share + sqrt((other_ends[1] - other) ** 2 + (share - ends[0]) ** 2)
    return low, high


def ratio(part: Any, whole: Any) -> Numbers:
    """Return `part / whole`, NaN where `whole` is 0."""
    part, whole = np.asarray(part), np.asarray(whole)
    kind = np.result_type(part, whole, np.float32)
    found: Numbers = np.divide(part, whole, out=np.full(whole.shape, np.nan, kind), where=whole != 0)
    return found


def correct_rate(correct: Any, decided: Any, known: Any, passes: Any) -> Numbers:
    """Return the share of attempts that are correct on a track.

    Of the `passes`, `known` have their legality on the track decided, and `correct` of those are legal;
    `decided` counts these and the failures. With all known it is correct / decided. With some unknown it
    is the share of passes times the share of the legal among the known, so that an unknown legality
    counts neither way; with none known it is NaN: failures alone would say 0.
    """
    share = ratio(passes, np.asarray(decided) + np.asarray(passes) - np.asarray(known))
    return np.where(share == 0, share, share * ratio(correct, known))


def fast_p(rate: Any, above: Any, measured: Any) -> Numbers:
    """Return the share of attempts that are correct and more than p times as fast.

    `rate` is the correct rate; `measured` of the correct have a time, `above` of those are faster than
    p. With all measured this is KernelBench's fast_p (Ouyang et al. 2025): count(correct and speedup
    > p) / decided. With some unmeasured a missing time counts neither as slow nor as fast; with none
    it is NaN. Failures are in the denominator and above no p.
    """
    found: Numbers = np.where(rate == 0, rate, rate * ratio(above, measured))
    return found


def pass_at_k(correct: Any, decided: Any, k: int) -> Numbers:
    """Return the chance that at least one of k attempts is correct: 1 - C(n - c, k) / C(n, k).

    The unbiased estimator of Chen et al. 2021; NaN where fewer than k attempts are decided.
    """
    correct, decided = np.asarray(correct), np.asarray(decided)
    none = np.ones(())
    for i in range(k):
        none = none * ratio(np.maximum(decided - correct - i, 0), np.maximum(decided - i, 0))
    return np.where(decided < k, np.nan, 1 - none)


@lru_cache(maxsize=256)
def draw_shares(total: int, k: int) -> Numbers:
    """Return for j = 0 .. total the chance that k draws without replacement all fall among the first j.

    C(j, k) / C(total, k), by a product, so that nothing overflows.
    """
    first = np.arange(total + 1, dtype=float)
    share = np.ones(total + 1)
    for i in range(k):
        share *= np.clip(first - i, 0, None) / (total - i)
    return share


def best_at_k(speedups: Sequence[float] | Numbers, k: int) -> float:
    """Return the expected best speed-up among k attempts, an attempt that is not correct giving 0.

    Unbiased: the sum over the sorted values of value x chance that it is the largest of k drawn
    without replacement, C(i - 1, k - 1) / C(n, k). NaN where there are fewer than k.
    """
    if len(speedups) < k:
        return float("nan")
    values = np.sort(np.asarray(speedups, dtype=float))
    return float(values @ np.diff(draw_shares(len(values), k)))


def geometric_mean(logs: Any, measured: Any) -> Numbers:
    """Return exp(mean(log(ratio))): 2x and 0.5x average to 1x."""
    mean: Numbers = np.exp(ratio(logs, measured))
    return mean
