"""The bootstrap: how often each of n attempts is drawn, in each of a thousand resamples.

The draws come from a fixed seed and depend on n alone, so that the same store gives the same
intervals on every machine, whatever the order of its rows, and so that one table of draws serves
every row of the leaderboard with as many attempts.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from harness.scores.formulas import Numbers, draw_shares

RESAMPLES = 1000
BEST_RESAMPLES = 250
"""For best@k, whose table of draws costs more."""
_SEED = 20250607
_AT_ONCE = 4_000_000
"""Draws held in memory at a time."""
_ONE_THREAD, _LEAST_SIDE = 250_000, 64
"""Multiplications of one product up to which OpenBLAS takes one thread; rows and columns of a tile."""

Counts = NDArray[np.float32]


def resample_sums(matrix: Numbers) -> Numbers:
    """Return the column sums of each resample of the rows: (rows, columns) to (RESAMPLES, columns)."""
    narrow = matrix.astype(np.float32)
    return np.concatenate([product(counts, narrow) for counts in _draws(len(matrix))])


def resample_best(gains: Numbers, k: int) -> Numbers:
    """Return best@k of each resample: (attempts, rows of the board), sorted, to (BEST_RESAMPLES, rows)."""
    count = len(gains)
    if count * BEST_RESAMPLES > _AT_ONCE:
        shares = draw_shares(count, k)
        blocks = _draws(count, BEST_RESAMPLES)
        return np.concatenate([product(_last_shares(counts, shares), gains) for counts in blocks])
    return product(_best_weights(count, k), gains)


def product(left: Numbers, right: Numbers) -> Numbers:
    """Return the matrix product, in tiles that BLAS computes in one thread.

    For more it wakes threads that wait for each other: on a busy machine that took five times as long.
    NaN is passed on without a warning: with AVX-512, OpenBLAS 0.3.31 raises the processor's flag for an
    invalid operation over what it found on the stack, where inputs and product are sound.
    """
    side = max(_LEAST_SIDE, isqrt(_ONE_THREAD // max(1, len(right))))
    kind = np.result_type(left, right)
    found: Numbers = np.empty((len(left), right.shape[1]), kind)
    with np.errstate(invalid="ignore"):
        for row in range(0, len(left), side):
            for column in range(0, right.shape[1], side):
                tile = np.s_[row : row + side, column : column + side]
                np.matmul(left[tile[0]], right[:, tile[1]], out=found[tile])
    return found


@lru_cache(maxsize=32)
def _best_weights(count: int, k: int) -> Numbers:
    (counts,) = _draws(count, BEST_RESAMPLES)
    return _last_shares(counts, draw_shares(count, k))


def _last_shares(counts: Counts, shares: Numbers) -> Numbers:
    """Return the chance that each of the sorted attempts is the best of k, by resample."""
    # The sums are exact: float32 holds every whole number up to 16 million.
    below = np.cumsum(counts, axis=1).astype(np.int64)
    return np.diff(shares[below], axis=1, prepend=0.0)


def _draws(rows: int, resamples: int = RESAMPLES) -> Iterator[Counts]:
    """Yield blocks of resamples: how often each of the rows is drawn with replacement."""
    block = max(1, _AT_ONCE // max(rows, 1))
    if block >= resamples:
        yield _table(rows, resamples)
        return
    for start in range(0, resamples, block):
        yield _draw(rows, min(block, resamples - start), start)


@lru_cache(maxsize=8)
def _table(rows: int, resamples: int) -> Counts:
    return _draw(rows, resamples, 0)


def _draw(rows: int, resamples: int, start: int) -> Counts:
    random = np.random.default_rng([_SEED, rows, start])
    drawn = random.integers(rows, size=(resamples, rows), dtype=np.int64)
    drawn += np.arange(resamples)[:, None] * rows
    counts = np.bincount(drawn.ravel(), minlength=resamples * rows)
    return counts.reshape(resamples, rows).astype(np.float32)


def over_problems(replicates: Numbers) -> Numbers:
    """Return resamples of problems, each with a resample of its own attempts.

    (resamples, problems, ...) to (RESAMPLES, problems, ...): the second axis is then what was drawn.
    """
    have, problems = replicates.shape[:2]
    random = np.random.default_rng([_SEED, problems])
    drawn = random.integers(problems, size=(RESAMPLES, problems))
    found: Numbers = replicates[random.integers(have, size=drawn.shape), drawn]
    return found


def pairs_over_problems(one: Numbers, other: Numbers) -> tuple[Numbers, Numbers]:
    """Return what `over_problems` gives for two sides that share their problems.

    Both sides get the same resampled problems, and each its own resample of its own attempts. With one
    problem only attempts are resampled.
    """
    have, problems = one.shape[:2]
    random = np.random.default_rng([_SEED, problems, 2])
    drawn = random.integers(problems, size=(RESAMPLES, problems))
    first, second = (random.integers(have, size=drawn.shape) for _ in range(2))
    return one[first, drawn], other[second, drawn]


def nan_mean(values: Numbers) -> Numbers:
    """Return the mean over the last axis of what is a number; NaN where nothing is."""
    known = ~np.isnan(values)
    number = known.sum(axis=-1)
    total = np.where(known, values, 0.0).sum(axis=-1)
    mean: Numbers = np.divide(total, number, out=np.full(np.shape(total), np.nan), where=number > 0)
    return mean


def percentiles(replicates: Numbers) -> Numbers:
    """Return the 2.5 and 97.5 percentiles along the first axis of what is a number: (2, ...).

    NaN where less than half of the resamples are numbers.
    """
    ordered = np.sort(replicates, axis=0)
    last = (~np.isnan(ordered)).sum(axis=0) - 1
    ends = np.stack(
        [
            np.take_along_axis(ordered, np.maximum(np.rint(q * last), 0).astype(int)[None], axis=0)[0]
            for q in (0.025, 0.975)
        ]
    )
    ends[:, last + 1 < len(ordered) / 2] = np.nan
    return ends
