"""The numbers behind rows: values of every statistic, and the ends of their bootstrap intervals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.scores.columns import FOR_MEANS, PLACE
from harness.scores.formulas import KS, Numbers, best_at_k
from harness.scores.resampling import (
    RESAMPLES,
    nan_mean,
    over_problems,
    percentiles,
    resample_best,
    resample_sums,
)
from harness.scores.statistics import mean_statistics, share_statistics

_AT_ONCE = 200
"""Groups resampled together."""

Rows = NDArray[np.int64]


class Cell(NamedTuple):
    """Everything that is counted for one row of the leaderboard."""

    problems: int
    sums: Numbers
    """By `COLUMNS`."""
    values: dict[str, float]
    ends: dict[str, tuple[float, float]]
    """Of the bootstrap: for one problem of the statistics that are no shares, else of all."""

    def count(self, column: str) -> int:
        """Return a sum as the whole number that it is."""
        return round(float(self.sums[PLACE[column]]))


class Summed:
    """Groups of attempts of one track: matrix rows by group, one group a model and board."""

    def __init__(
        self, matrix: Numbers, gains: Numbers, groups: Sequence[Rows], timed: Sequence[bool]
    ) -> None:
        self._matrix, self._groups = matrix, groups
        self._timed = np.array(timed, dtype=bool)
        self.sums = np.stack([matrix[rows].sum(axis=0) for rows in groups])
        self._gains = [
            _sorted_gains(gains[rows]) if yes else None for rows, yes in zip(groups, timed, strict=True)
        ]

    def single(self) -> list[Cell]:
        """Return the cell of each group."""
        values = mean_statistics(self.sums) | share_statistics(self.sums, self._timed)
        lists = {name: column.tolist() for name, column in values.items()}
        for k in KS:
            lists[f"best@{k}"] = [_best(gains, k) for gains in self._gains]
        ends = self._ends()
        return [
            Cell(1, self.sums[at], {name: column[at] for name, column in lists.items()}, ends[at])
            for at in range(len(self._groups))
        ]

    def _ends(self) -> list[dict[str, tuple[float, float]]]:
        found: list[dict[str, tuple[float, float]]] = [{} for _ in self._groups]
        for members, sums in self._resampled(range(len(self._groups)), FOR_MEANS):
            for name, replicates in mean_statistics(sums).items():
                _file(found, members, name, percentiles(replicates))
        for members, k, replicates in self._resampled_best(range(len(self._groups))):
            _file(found, members, f"best@{k}", percentiles(replicates))
        return found

    def over(self, members: Sequence[int]) -> Cell:
        """Return the cell of several groups, one a problem: means over problems, the bootstrap over both."""
        sums, timed = self.sums[list(members)], self._timed[list(members)]
        values = mean_statistics(sums) | share_statistics(sums, timed)
        means = {name: float(_over(name, column)) for name, column in values.items()}
        drawn = _by_column(over_problems(self.resampled(members)))
        several = mean_statistics(drawn) | share_statistics(drawn, timed.all())
        ends = {name: _pair(percentiles(_over(name, column))) for name, column in several.items()}
        for k in KS:
            means[f"best@{k}"] = float(nan_mean(np.array([_best(self._gains[at], k) for at in members])))
        ends |= self._best_ends(members)
        return Cell(len(members), sums.sum(axis=0), means, ends)

    def resampled(self, members: Sequence[int]) -> Numbers:
        """Return the sums of each resample of these groups: (RESAMPLES, groups, columns)."""
        width = self.sums.shape[-1]
        found = np.empty((RESAMPLES, len(members), width), np.float32)
        place = {group: at for at, group in enumerate(members)}
        for groups, sums in self._resampled(members, width):
            found[:, [place[group] for group in groups]] = sums
        return found

    def _best_ends(self, members: Sequence[int]) -> dict[str, tuple[float, float]]:
        columns: dict[int, list[Numbers]] = defaultdict(list)
        for _, k, replicates in self._resampled_best(members):
            columns[k].append(replicates)
        return {
            f"best@{k}": _pair(percentiles(nan_mean(over_problems(np.concatenate(parts, axis=1)))))
            for k, parts in columns.items()
        }

    def _resampled(self, members: Sequence[int], width: int) -> Iterator[tuple[list[int], Numbers]]:
        """Yield groups with as many attempts, and the sums of their resamples: (resamples, groups, width)."""
        for alike in _blocks({at: len(self._groups[at]) for at in members}):
            stacked = np.stack([self._matrix[self._groups[at]][:, :width] for at in alike], axis=1)
            flat = resample_sums(stacked.reshape(len(stacked), -1))
            yield alike, flat.reshape(len(flat), len(alike), width)

    def _resampled_best(self, members: Sequence[int]) -> Iterator[tuple[list[int], int, Numbers]]:
        known = {at: gains for at in members if (gains := self._gains[at]) is not None}
        for alike in _blocks({at: len(gains) for at, gains in known.items()}):
            stacked = np.stack([known[at] for at in alike], axis=1)
            for k in KS:
                if k <= len(stacked):
                    yield alike, k, resample_best(stacked, k)


def _over(name: str, by_problem: Numbers) -> Numbers:
    """Return the mean over problems, the last axis.

    A problem without a number is left out, but of a price: there is none for what cannot be had.
    """
    if name in {"cost", "tokens"}:
        mean: Numbers = by_problem.mean(axis=-1)
        return mean
    return nan_mean(by_problem)


def _by_column(sums: Numbers) -> Numbers:
    """Return the same array laid out so that each column lies together, which halves the time."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(sums, -1, 0)), 0, -1)


def _sorted_gains(gains: Numbers) -> Numbers | None:
    """Return the gains of the decided attempts; None where a correct one has no time."""
    decided = np.sort(gains[~np.isinf(gains)])
    return None if np.isnan(decided).any() else decided


def _best(gains: Numbers | None, k: int) -> float:
    return float("nan") if gains is None else best_at_k(gains, k)


def _blocks(sizes: dict[int, int]) -> Iterator[list[int]]:
    """Yield groups of the same size together, so that they share one table of draws."""
    by_size: dict[int, list[int]] = defaultdict(list)
    for at, size in sizes.items():
        if size:
            by_size[size].append(at)
    for size, alike in sorted(by_size.items()):
        together = max(1, min(_AT_ONCE, 1_000_000 // size))
        for start in range(0, len(alike), together):
            yield alike[start : start + together]


def _pair(ends: Numbers) -> tuple[float, float]:
    return float(ends[0]), float(ends[1])


def _file(
    found: list[dict[str, tuple[float, float]]], members: Sequence[int], name: str, ends: Numbers
) -> None:
    for at, low, high in zip(members, ends[0].tolist(), ends[1].tolist(), strict=True):
        found[at][name] = (low, high)
