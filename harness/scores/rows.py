"""One row of the leaderboard: everything known of one model on one board."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from eval.records import Record, Track
from harness.records import Facts
from harness.scores.cells import Cell
from harness.scores.columns import PLACE
from harness.scores.estimates import Estimate, Rate, at_least_one, counted, geometric, mean, share
from harness.scores.formulas import BASELINES, KS, THRESHOLDS, Baseline
from harness.scores.placing import Place, legality

SCORE_VERSION = "2"
"""Goes up whenever a formula or a denominator changes; rows of different versions never mix."""


class Spread(Record):
    """How a set of measured ratios lies; all None where nothing was measured."""

    best: float | None
    """The highest."""
    median: float | None
    geometric_mean: float | None
    """exp(mean(log(ratio))), with its interval in `low` and `high`."""
    low: float | None
    high: float | None
    measured: int
    coverage: float | None
    """`measured` over all that were decided: a mean over one lucky pass of ten shows 0.1."""


class Score(Record):
    """One row. Rates are over `correct.total` decided attempts unless they say otherwise."""

    version: str = SCORE_VERSION
    rank: int | None = None
    """1 and the number of rows that are surely better; None where there is nothing to rank by."""
    tied: bool = False
    """Another row has the same rank."""
    model: str
    problem: str | None
    """None for a row over several problems."""
    problems: int
    """How many problems it is over."""
    track: Track
    place: Place
    evaluator: str
    problem_hash: str | None
    stale: bool
    """Not of the problem's newest evaluator and text."""
    quarantined: str | None = None
    """Why the problem is quarantined: it was found to accept a wrong answer."""
    stages: tuple[str, ...]
    attempts: int
    """All of them, our own failures included."""
    errors: int
    """Our own failures: no verdict, so in no rate. They say nothing of the model."""
    unsupported: int
    """The interpreter could not run them: neither right nor wrong, in no rate."""
    undecided: int
    """Passes whose legality on this track is not decided; in no rate of this row."""
    statuses: dict[str, int]
    """Verdicts by status."""
    correct: Rate
    """Passed and legal on this track, over all that were decided; `formulas.correct_rate` says what
    passes whose legality is not decided do to `value`."""
    stage_legal: Rate
    """Legal in their stage, over the passes for which that was decided."""
    rejected: Rate
    """Status `rejected`, over all verdicts."""
    cheating: Rate
    """Rejected for anything but the output rules, over all verdicts."""
    speedup: dict[Baseline, Spread]
    """Over the correct of this track: baseline's time / candidate's time."""
    fast_p: dict[Baseline, dict[str, Estimate]]
    """See `formulas.fast_p`; None throughout where no GPU judged."""
    floor: Spread
    """Fraction of the floor over the correct: the physical limit / candidate's time."""
    pass_at: dict[str, Estimate]
    """pass@k by k."""
    best_at: dict[str, Estimate]
    """best@k against eager by k; an attempt that is not correct gives 0."""
    cost: float | None
    """What all attempts cost; None where it is not known of each."""
    cost_per_pass: Estimate
    tokens_per_pass: Estimate


class Group(NamedTuple):
    """The attempts of one row and what the row is about."""

    model: str
    problem: str | None
    track: Track
    place: Place
    evaluator: str
    problem_hash: str | None
    stale: bool
    members: Sequence[Facts]


def score_of(group: Group, cell: Cell) -> Score:
    """Return the row of a group; its rank is not known yet."""
    members = group.members
    verdicts, decided = cell.count("verdicts"), cell.count("decided")
    unsupported = sum(facts.kind == "unsupported" for facts in members)
    correct = [facts for facts in members if facts.status == "passed" and legality(facts, group.track)]
    return Score(
        model=group.model,
        problem=group.problem,
        problems=cell.problems,
        track=group.track,
        place=group.place,
        evaluator=group.evaluator,
        problem_hash=group.problem_hash,
        stale=group.stale,
        quarantined=quarantine_of(members),
        stages=tuple(sorted({facts.stage for facts in members if facts.stage is not None})),
        attempts=len(members),
        errors=len(members) - verdicts,
        unsupported=unsupported,
        undecided=verdicts - unsupported - decided,
        statuses=dict(sorted(Counter(f.status for f in members if f.status is not None).items())),
        correct=counted(cell, "correct", "correct", "decided"),
        stage_legal=counted(cell, "stage_legal", "stage_legal", "stage_decided"),
        rejected=counted(cell, "rejected", "rejected", "verdicts"),
        cheating=counted(cell, "cheating", "cheating", "verdicts"),
        speedup={baseline: _spread(cell, correct, baseline) for baseline in BASELINES},
        fast_p={
            b: {f"{p:g}": share(cell, f"fast_{b}_{p:g}", decided) for p in THRESHOLDS} for b in BASELINES
        },
        floor=_spread(cell, correct, "floor"),
        pass_at={str(k): at_least_one(cell, k) for k in KS},
        best_at={str(k): mean(cell, f"best@{k}", decided) for k in KS},
        cost=float(cell.sums[PLACE["cost"]]) if cell.count("priced") == len(members) else None,
        cost_per_pass=mean(cell, "cost", len(correct)),
        tokens_per_pass=mean(cell, "tokens", len(correct)),
    )


def quarantine_of(members: Sequence[Facts]) -> str | None:
    """Return why the problem of these attempts is quarantined; what nobody judged does not know it."""
    return next((facts.quarantined for facts in members if facts.quarantined is not None), None)


def _spread(cell: Cell, correct: Sequence[Facts], name: str) -> Spread:
    decided, measured = cell.count("decided"), cell.count(f"measured_{name}")
    coverage = measured / decided if decided else None
    if not measured:
        nothing = dict.fromkeys(("best", "median", "geometric_mean", "low", "high"))
        return Spread(**nothing, measured=0, coverage=coverage)
    values = [value for facts in correct if (value := getattr(facts, name)) is not None and value > 0]
    averaged = geometric(cell, name, measured)
    return Spread(
        best=max(values),
        median=median(values),
        geometric_mean=averaged.value,
        low=averaged.low,
        high=averaged.high,
        measured=measured,
        coverage=coverage,
    )
