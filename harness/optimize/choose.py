"""Which attempt of a stage is kept, and which failure is worth repairing."""

from __future__ import annotations

from collections.abc import Sequence

from eval.records import Passed, RulesMode
from harness.records import Attempt

_WORTH = {"passed": 0, "incorrect": 1, "failed": 2, "rejected": 3}
"""The nearer to right, the sooner it is repaired."""


def legal(attempt: Attempt, rules: RulesMode) -> bool:
    """Tell whether an attempt is correct and keeps to its stage; without rules, whether it is correct."""
    verdict = attempt.verdict
    return isinstance(verdict, Passed) and (verdict.tracks.stage is True or rules == "off")


def kept(attempts: Sequence[Attempt], rules: RulesMode, *, has_current: bool) -> Attempt | None:
    """Return the attempt that replaces the current code, None where none gains enough.

    Where nothing was timed, on a CPU, the first that is legal; without current code the fastest.
    """
    good = [attempt for attempt in attempts if legal(attempt, rules)]
    timed = [attempt for attempt in good if _ms(attempt) is not None]
    if not timed:
        return good[0] if good else None
    if not has_current:
        return min(timed, key=lambda attempt: _ms(attempt) or 0.0)
    gaining = [attempt for attempt in timed if _decision(attempt) in {"keep", None}]
    return max(gaining, key=gain, default=None)


def best_of(attempts: Sequence[Attempt], rules: RulesMode) -> Attempt | None:
    """Return the attempt that a stage without a kept one is told by."""
    judged = [attempt for attempt in attempts if attempt.verdict is not None]
    return max(judged, key=lambda attempt: (legal(attempt, rules), gain(attempt)), default=None)


def to_repair(attempts: Sequence[Attempt], rules: RulesMode) -> Attempt | None:
    """Return the failure nearest to right; None where a candidate was legal and only gained too little."""
    if any(legal(attempt, rules) for attempt in attempts):
        return None
    failures = [
        attempt for attempt in attempts if attempt.verdict is not None and attempt.candidate is not None
    ]
    return min(failures, key=lambda attempt: _WORTH[_status(attempt)], default=None)


def gain(attempt: Attempt) -> float:
    """Return the speed-up against the current code, 0 where it was not measured."""
    timing = attempt.verdict.timing if attempt.verdict is not None else None
    ratio = timing.speedup.current if timing is not None else None
    return ratio.median if ratio is not None else 0.0


def _status(attempt: Attempt) -> str:
    assert attempt.verdict is not None
    return attempt.verdict.status


def _ms(attempt: Attempt) -> float | None:
    timing = attempt.verdict.timing if attempt.verdict is not None else None
    return timing.candidate_ms.median if timing is not None else None


def _decision(attempt: Attempt) -> str | None:
    timing = attempt.verdict.timing if attempt.verdict is not None else None
    return timing.decision if timing is not None else None
