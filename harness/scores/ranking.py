"""Ranks within a board: one row stands above another only where the intervals say so."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.scores.estimates import Estimate
from harness.scores.rows import Score


def ranked(board: Sequence[Score]) -> list[Score]:
    """Return the rows in order, with their ranks.

    The measure is fast_1 against eager where anything was timed, the correct rate otherwise. A rank
    is 1 and the number of rows whose interval lies wholly above: rows that cannot be told apart share
    one. Within a rank the order is by measure, then mean speed-up, correct rate and name. Over
    several problems only rows that are over all of them are ranked.
    """
    all_problems = max(score.problems for score in board)
    timed = any(score.fast_p["eager"]["1"].value is not None and score.correct.count for score in board)

    def measure(score: Score) -> Estimate:
        rate = score.correct
        shown = Estimate(value=rate.value, low=rate.low, high=rate.high)
        return score.fast_p["eager"]["1"] if timed else shown

    able = [s for s in board if s.problems == all_problems and measure(s).value is not None]
    ordered = sorted(board, key=lambda score: (score not in able, *_merit(score, measure), score.model))
    ranks = {score.model: 1 + sum(_above(measure(o), measure(score)) for o in able) for score in able}
    shared = list(ranks.values())
    return [
        score.model_copy(update={"rank": rank, "tied": rank is not None and shared.count(rank) > 1})
        for score in ordered
        for rank in (ranks.get(score.model),)
    ]


def _above(one: Estimate, other: Estimate) -> bool:
    return one.low is not None and other.high is not None and one.low > other.high


def _merit(score: Score, measure: Callable[[Score], Estimate]) -> tuple[float, ...]:
    parts = (measure(score).value, score.speedup["eager"].geometric_mean, score.correct.value)
    return tuple(1.0 if part is None else -part for part in parts)
