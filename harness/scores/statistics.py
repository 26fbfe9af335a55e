"""Every statistic that has an interval, from sums by column: of attempts, or of resamples of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.scores.columns import FOR_MEANS, PLACE, RATIOS
from harness.scores.formulas import BASELINES, KS, THRESHOLDS, Numbers, correct_rate, fast_p, pass_at_k, ratio

MEANS = ("cost", "tokens", *(f"log_{name}" for name in RATIOS))
"""The statistics that are no shares; with best@k they alone need a bootstrap where there is one problem."""


def mean_statistics(sums: Numbers) -> dict[str, Numbers]:
    """Return `MEANS` by name for sums of shape (..., columns); the columns for shares may be missing."""
    assert sums.shape[-1] >= FOR_MEANS

    def total(column: str) -> Numbers:
        values: Numbers = sums[..., PLACE[column]]
        return values

    def for_each_pass(spent: str, known: str) -> Numbers:
        price = ratio(total(spent), total("correct"))
        unknown = (total(known) < total("attempts")) | (total("known") < total("passes"))
        return np.where(unknown, np.nan, price)

    logs = {f"log_{name}": ratio(total(f"log_{name}"), total(f"measured_{name}")) for name in RATIOS}
    return {"cost": for_each_pass("cost", "priced"), "tokens": for_each_pass("tokens", "counted"), **logs}


def share_statistics(sums: Numbers, timed: Any) -> dict[str, Numbers]:
    """Return the statistics that are shares of attempts, by name.

    Without `timed`, where no GPU judged, nothing is fast or slow, not even a failure.
    """

    def total(column: str) -> Numbers:
        values: Numbers = sums[..., PLACE[column]]
        return values

    correct, decided = total("correct"), total("decided")
    known, passes = total("known"), total("passes")
    rate = correct_rate(correct, decided, known, passes)
    found = {
        "correct": rate,
        "stage_legal": ratio(total("stage_legal"), total("stage_decided")),
        "rejected": ratio(total("rejected"), total("verdicts")),
        "cheating": ratio(total("cheating"), total("verdicts")),
    }
    found |= {f"pass@{k}": np.where(known < passes, np.nan, pass_at_k(correct, decided, k)) for k in KS}
    for b in BASELINES:
        measured = total(f"measured_{b}")
        for p in THRESHOLDS:
            fast = fast_p(rate, total(f"above_{b}_{p:g}"), measured)
            found[f"fast_{b}_{p:g}"] = np.where(timed, fast, np.nan)
    return found
