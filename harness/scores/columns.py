"""Attempts as a matrix: one row an attempt, one column for each thing that a formula sums up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eval.records import Track
from harness.records import Facts
from harness.scores.formulas import BASELINES, THRESHOLDS, Numbers
from harness.scores.placing import legality

RATIOS = (*BASELINES, "floor")
COLUMNS = (
    "attempts", "decided", "correct", "passes", "known", "cost", "priced", "tokens", "counted",
    *(f"{part}_{name}" for name in RATIOS for part in ("measured", "log")),
    "verdicts", "rejected", "cheating", "stage_decided", "stage_legal",
    *(f"above_{baseline}_{p:g}" for baseline in BASELINES for p in THRESHOLDS),
)  # fmt: skip
FOR_MEANS = COLUMNS.index("verdicts")
"""How many of the columns, the first ones, the statistics need that are no shares."""
PLACE = {name: place for place, name in enumerate(COLUMNS)}


def ratios_of(members: Sequence[Facts], name: str) -> Numbers:
    """Return the speed-up against a baseline, or the fraction of the floor; NaN where none was measured."""
    values = np.array([getattr(facts, name) for facts in members], dtype=float)
    with np.errstate(invalid="ignore"):
        values[~(np.isfinite(values) & (values > 0))] = np.nan
    return values


class Columns:
    """The matrices of both tracks for the same attempts, and what best@k needs."""

    def __init__(self, members: Sequence[Facts]) -> None:
        self._legal = {
            "open": np.array([legality(facts, "open") for facts in members], dtype=float),
            "stage": np.array([legality(f, "stage") if f.stage else None for f in members], dtype=float),
        }
        self._ratios = {name: ratios_of(members, name) for name in RATIOS}
        cost = np.array([facts.cost for facts in members], dtype=float)
        tokens = np.array([facts.tokens for facts in members], dtype=float)
        rejected = np.array([facts.status == "rejected" for facts in members], dtype=bool)
        output_rules = np.array([facts.kind == "output_rules" for facts in members], dtype=bool)
        stage_decided = (self._legal["open"] == 1) & ~np.isnan(self._legal["stage"])
        self._common = {
            "attempts": np.ones(len(members)),
            "cost": np.nan_to_num(cost),
            "priced": ~np.isnan(cost),
            "tokens": np.nan_to_num(tokens),
            "counted": ~np.isnan(tokens),
            "verdicts": np.array([facts.status is not None for facts in members], dtype=bool),
            "rejected": rejected,
            "cheating": rejected & ~output_rules,
            "stage_decided": stage_decided,
            "stage_legal": stage_decided & (self._legal["stage"] == 1),
        }

    def matrix(self, track: Track) -> NDArray[np.float64]:
        """Return the matrix of `COLUMNS` on a track. Only the correct have times."""
        decided, correct = ~np.isnan(self._legal[track]), self._legal[track] == 1
        passes = self._legal["open"] == 1
        columns = self._common | {"decided": decided, "correct": correct}
        columns |= {"passes": passes, "known": passes & decided}
        for name, values in self._ratios.items():
            measured = correct & ~np.isnan(values)
            columns[f"measured_{name}"] = measured
            columns[f"log_{name}"] = np.log(np.where(measured, values, 1.0))
            if name != "floor":
                known = np.where(measured, values, 0.0)
                columns |= {f"above_{name}_{p:g}": known > p for p in THRESHOLDS}
        return np.column_stack([columns[name] for name in COLUMNS]).astype(float)

    def gains(self, track: Track) -> Numbers:
        """Return what each attempt brings to best@k: its speed-up against eager, 0 for a failure.

        NaN for a correct attempt without a time and for a pass of unknown legality, infinity for what is
        not decided at all.
        """
        legal = self._legal[track]
        gains = np.where(legal == 1, self._ratios["eager"], 0.0)
        gains[np.isnan(legal)] = np.inf
        gains[np.isnan(legal) & (self._legal["open"] == 1)] = np.nan
        return gains
