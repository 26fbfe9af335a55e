"""Two models or runs against each other: paired by problem, at the same place and evaluator."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import exp
from typing import Literal, NamedTuple

import numpy as np

from eval.records import Record, Track
from harness.records import Facts
from harness.scores.cells import Summed
from harness.scores.columns import Columns
from harness.scores.estimates import Estimate, estimate
from harness.scores.formulas import Numbers, newcombe, wilson
from harness.scores.placing import Place, place_of
from harness.scores.resampling import nan_mean, pairs_over_problems, percentiles
from harness.scores.rows import SCORE_VERSION
from harness.scores.selection import edition_of, is_counted, is_stale, newest_editions, newest_of_each
from harness.scores.statistics import mean_statistics, share_statistics

Outcome = Literal["win", "loss", "tie", "unknown"]


class Difference(Record):
    """One measure of both sides over the problems that they share."""

    measure: Literal["correct", "fast_1", "mean_speedup"]
    a: float | None
    b: float | None
    difference: Estimate
    """b - a; of the mean speed-up b / a."""


class Pair(Record):
    """One problem."""

    problem: str
    a: float | None
    """fast_1 against eager where something was timed, the correct rate otherwise."""
    b: float | None
    difference: Estimate
    outcome: Outcome
    """Of b against a; a tie is a difference whose interval holds 0."""


class Comparison(Record):
    """Two sides at one place."""

    version: str = SCORE_VERSION
    place: Place
    track: Track
    measure: Literal["correct", "fast_1"]
    """What the problems are compared by."""
    differences: tuple[Difference, ...]
    pairs: tuple[Pair, ...]
    only_a: tuple[str, ...]
    """Problems that only one side was judged on: in no difference."""
    only_b: tuple[str, ...]

    @property
    def worse(self) -> tuple[str, ...]:
        """The measures in which b is surely worse than a."""
        bounds = {"mean_speedup": 1.0}
        return tuple(
            found.measure
            for found in self.differences
            if found.difference.high is not None and found.difference.high < bounds.get(found.measure, 0.0)
        )


class _Sides(NamedTuple):
    a: dict[str, list[Facts]]
    b: dict[str, list[Facts]]


def compare(a: Iterable[Facts], b: Iterable[Facts], track: Track = "open") -> tuple[Comparison, ...]:
    """Return a comparison for each place where both sides were judged.

    Of each problem the newest evaluator and text on either side counts, so that a stale side is not
    compared with a fresh one.
    """
    left, right = ([one for one in side if is_counted(one) and _on(one, track)] for side in (a, b))
    editions = newest_editions([*left, *right])
    places: dict[Place, _Sides] = {}
    for at, side in enumerate((left, right)):
        for one in side:
            if not is_stale(one, editions) and edition_of(one, editions):
                sides = places.setdefault(place_of(one), _Sides({}, {}))
                sides[at].setdefault(one.problem, []).append(one)
    ordered = sorted(places.items(), key=lambda item: tuple(part or "" for part in item[0]))
    return tuple(_compare(place, track, sides) for place, sides in ordered if set(sides.a) & set(sides.b))


def _on(facts: Facts, track: Track) -> bool:
    return track == "open" or facts.stage is not None


def _compare(place: Place, track: Track, sides: _Sides) -> Comparison:
    shared = sorted(set(sides.a) & set(sides.b))
    a, b = (_summed([side[problem] for problem in shared], track, place) for side in sides)
    timed = place.device == "cuda"
    values = [_statistics(side.sums, timed=timed) for side in (a, b)]
    everyone = range(len(shared))
    drawn = pairs_over_problems(a.resampled(everyone), b.resampled(everyone))
    resampled = [_statistics(side, timed=timed) for side in drawn]
    any_fast = any(not np.isnan(side["fast_eager_1"]).all() for side in values)
    measure: Literal["correct", "fast_1"] = "fast_1" if any_fast else "correct"
    name = "fast_eager_1" if any_fast else "correct"
    pairs = tuple(
        _pair(problem, (_Share(values[0][name][at], a.sums[at]), _Share(values[1][name][at], b.sums[at])))
        for at, problem in enumerate(shared)
    )
    return Comparison(
        place=place,
        track=track,
        measure=measure,
        differences=(
            _share("correct", "correct", values, resampled, (a, b)),
            *([_share("fast_1", "fast_eager_1", values, resampled, (a, b))] if any_fast else []),
            *([_speed(values, resampled)] if any_fast else []),
        ),
        pairs=pairs,
        only_a=tuple(sorted(set(sides.a) - set(sides.b))),
        only_b=tuple(sorted(set(sides.b) - set(sides.a))),
    )


def _summed(groups: Sequence[list[Facts]], track: Track, place: Place) -> Summed:
    kept = [newest_of_each(group, by_stage=track == "stage") for group in groups]
    ends = np.cumsum([0, *map(len, kept)])
    columns = Columns([facts for group in kept for facts in group])
    rows = [np.arange(start, end) for start, end in pairwise(ends)]
    return Summed(columns.matrix(track), columns.gains(track), rows, [place.device == "cuda"] * len(kept))


def _statistics(sums: Numbers, *, timed: bool) -> dict[str, Numbers]:
    return share_statistics(sums, timed) | mean_statistics(sums)


class _Share(NamedTuple):
    value: float
    sums: Numbers

    @property
    def decided(self) -> float:
        return float(self.sums[1])


def _pair(problem: str, shares: tuple[_Share, _Share]) -> Pair:
    found = _difference(*shares)
    outcome: Outcome = "tie"
    if found.low is None or found.high is None:
        outcome = "unknown"
    elif found.low > 0 or found.high < 0:
        outcome = "win" if found.low > 0 else "loss"
    a, b = (None if np.isnan(share.value) else float(share.value) for share in shares)
    return Pair(problem=problem, a=a, b=b, difference=found, outcome=outcome)


def _difference(a: _Share, b: _Share) -> Estimate:
    """Return the difference of two shares of one problem, with Newcombe's interval."""
    if np.isnan(a.value) or np.isnan(b.value):
        return Estimate()
    first, second = (wilson(side.value * side.decided, side.decided) for side in (a, b))
    assert first is not None
    assert second is not None
    return estimate(float(b.value - a.value), newcombe(float(a.value), first, float(b.value), second))


def _share(
    measure: Literal["correct", "fast_1"],
    name: str,
    values: Sequence[dict[str, Numbers]],
    resampled: Sequence[dict[str, Numbers]],
    sides: tuple[Summed, Summed],
) -> Difference:
    if len(values[0][name]) == 1:
        shares = [_Share(float(v[name][0]), side.sums[0]) for v, side in zip(values, sides, strict=True)]
        found = _difference(*shares)
        a, b = (None if np.isnan(share.value) else share.value for share in shares)
        return Difference(measure=measure, a=a, b=b, difference=found)
    gaps = values[1][name] - values[0][name]
    ends = percentiles(nan_mean(resampled[1][name] - resampled[0][name]))
    known = ~np.isnan(gaps)
    return Difference(
        measure=measure,
        a=_mean(values[0][name][known]),
        b=_mean(values[1][name][known]),
        difference=estimate(float(nan_mean(gaps)), (float(ends[0]), float(ends[1]))),
    )


def _speed(values: Sequence[dict[str, Numbers]], resampled: Sequence[dict[str, Numbers]]) -> Difference:
    """Return the ratio of the mean speed-ups, over the problems on which both sides were timed."""
    name = "log_eager"
    gaps = values[1][name] - values[0][name]
    known = ~np.isnan(gaps)
    ends = percentiles(nan_mean(resampled[1][name] - resampled[0][name]))
    logs = estimate(float(nan_mean(gaps)), (float(ends[0]), float(ends[1])))
    means = [_mean(side[name][known]) for side in values]
    a, b = (None if mean is None else exp(mean) for mean in means)
    parts = [None if end is None else exp(end) for end in (logs.value, logs.low, logs.high)]
    found = Estimate(value=parts[0], low=parts[1], high=parts[2])
    return Difference(measure="mean_speedup", a=a, b=b, difference=found)


def _mean(values: Numbers) -> float | None:
    return float(values.mean()) if len(values) else None
