"""The rows of the leaderboard: one a model, problem, place and track, ranked within their board."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby

from eval.records import Record, Track, Verdict
from harness.records import Attempt
from harness.scores.formulas import BASELINES, THRESHOLDS, Baseline, Rate, Spread, fast_p, rate, spread
from harness.scores.placing import Place, legality, place_of
from harness.scores.selection import is_counted

SCORE_VERSION = "1"
"""Goes up whenever a formula or a denominator changes; rows of different versions never mix."""


class Score(Record):
    """One row. Rates are over `decided` attempts unless they say otherwise."""

    version: str = SCORE_VERSION
    rank: int = 0
    """Place among the rows of the same board, from 1; equal scores share it."""
    model: str
    problem: str
    track: Track
    place: Place
    stages: tuple[str, ...]
    evaluators: tuple[str, ...]
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
    """Passed and legal on this track, over all that were decided."""
    stage_legal: Rate
    """Legal in their stage, over the passes for which that was decided."""
    rejected: Rate
    """Status `rejected`, over all verdicts."""
    cheating: Rate
    """Rejected for anything but the output rules, over all verdicts."""
    speedup: dict[Baseline, Spread]
    """Over the correct of this track: baseline's time / candidate's time."""
    fast_p: dict[Baseline, dict[str, float | None]]
    """See `formulas.fast_p`; None throughout where no GPU judged."""
    floor: Spread
    """Fraction of the floor over the correct: the physical limit / candidate's time."""


def board_of(score: Score) -> tuple[str, Track, Place]:
    """Return what two rows must share to be ranked against each other."""
    return score.problem, score.track, score.place


def _verdicts(attempts: Iterable[Attempt]) -> list[Verdict]:
    return [attempt.verdict for attempt in attempts if attempt.verdict is not None]


def _ratio(verdict: Verdict, baseline: Baseline) -> float | None:
    measured = getattr(verdict.timing.speedup, baseline) if verdict.timing else None
    return measured.median if measured else None


def _stage_legal(attempts: Sequence[Attempt]) -> Rate:
    passes = [a for a in attempts if legality(a, "open") and a.stage is not None]
    decided = [legal for a in passes if (legal := legality(a, "stage")) is not None]
    return rate(sum(decided), len(decided))


def _fast(ratios: Sequence[float | None], decided: int, place: Place) -> dict[str, float | None]:
    timed_here = place.device == "cuda"
    return {f"{p:g}": fast_p(ratios, decided, p) if timed_here else None for p in THRESHOLDS}


def _score(attempts: Sequence[Attempt], model: str, problem: str, track: Track, place: Place) -> Score:
    verdicts = _verdicts(attempts)
    legal = [legality(attempt, track) for attempt in attempts]
    correct = _verdicts(a for a, yes in zip(attempts, legal, strict=True) if yes)
    decided = sum(yes is not None for yes in legal)
    unsupported = sum(v.status == "failed" and v.phase == "unsupported" for v in verdicts)
    rejected = [v.reason for v in verdicts if v.status == "rejected"]
    ratios = {baseline: [_ratio(v, baseline) for v in correct] for baseline in BASELINES}
    fractions = [v.timing.fraction_of_floor if v.timing else None for v in correct]
    return Score(
        model=model,
        problem=problem,
        track=track,
        place=place,
        stages=tuple(sorted({a.stage for a in attempts if a.stage is not None})),
        evaluators=tuple(sorted({a.evaluator for a in attempts})),
        attempts=len(attempts),
        errors=len(attempts) - len(verdicts),
        unsupported=unsupported,
        undecided=len(verdicts) - unsupported - decided,
        statuses=dict(sorted(Counter(v.status for v in verdicts).items())),
        correct=rate(len(correct), decided),
        stage_legal=_stage_legal(attempts),
        rejected=rate(len(rejected), len(verdicts)),
        cheating=rate(sum(reason != "output_rules" for reason in rejected), len(verdicts)),
        speedup={baseline: spread(ratios[baseline], decided) for baseline in BASELINES},
        fast_p={baseline: _fast(ratios[baseline], decided, place) for baseline in BASELINES},
        floor=spread(fractions, decided),
    )


def _merit(score: Score) -> tuple[float, float, float]:
    """Order within a board: fast_1 against eager, then mean speed-up, then correct rate."""
    fast, mean = score.fast_p["eager"]["1"], score.speedup["eager"].geometric_mean
    rated = score.correct.value
    return (0.0 if fast is None else -fast - 1, -(mean or 0.0), 1.0 if rated is None else -rated)


def _ranked(board: Sequence[Score]) -> list[Score]:
    ordered = sorted(board, key=lambda score: (_merit(score), score.model))
    merits = [_merit(score) for score in ordered]
    return [s.model_copy(update={"rank": merits.index(m) + 1}) for s, m in zip(ordered, merits, strict=True)]


def _board_key(score: Score) -> tuple[str, ...]:
    place = score.place
    return (score.problem, place.device or "", place.gpu or "", place.size or "", score.track)


def score_table(attempts: Iterable[Attempt]) -> tuple[Score, ...]:
    """Score every model on every problem, place and track; boards in order, ranked within each.

    An attempt that occurs twice (same id) counts once; what `is_counted` leaves out is in no row. The
    stage track holds only attempts that were made for a stage.
    """
    unique = {attempt.id: attempt for attempt in attempts if is_counted(attempt)}
    groups: dict[tuple[str, str, Track, Place], list[Attempt]] = defaultdict(list)
    for attempt in unique.values():
        place = place_of(attempt)
        groups[attempt.reply.model, attempt.problem, "open", place].append(attempt)
        if attempt.stage is not None:
            groups[attempt.reply.model, attempt.problem, "stage", place].append(attempt)
    scores = sorted((_score(rows, *key) for key, rows in groups.items()), key=_board_key)
    return tuple(row for _, board in groupby(scores, key=_board_key) for row in _ranked(list(board)))
