"""Records that an agent is told: typed, and small enough for a model's context."""

from __future__ import annotations

from typing import Literal

from eval.records import BaselinesMode, Passed, Ratio, Record, Severity, Track, Tracks, Verdict, Violation
from harness.adapters.asking import Outcome, as_attempt
from harness.judge_server.records import Question
from harness.prompts import feedback

MOST_VIOLATIONS, MOST_BUILDS, MOST_ROWS = 20, 24, 50
DETAIL_CHARS = 1500


class Finding(Record):
    """One rule that the candidate breaks."""

    rule: str
    track: Track
    severity: Severity
    line: int | None
    """1-based line of the candidate's code."""
    message: str


class Factor(Record):
    """A speed-up with its 95 % interval; above 1 the candidate is faster."""

    median: float
    low: float
    high: float


class Checked(Record):
    """What the static rules say; nothing was run."""

    status: Literal["passed", "incorrect", "rejected", "failed"]
    """``passed`` here means that nothing on the open track forbids to run it."""
    detail: str | None
    tracks: Tracks
    findings: tuple[Finding, ...]
    more_findings: int = 0
    """How many were left out."""


class Judged(Record):
    """A verdict in short."""

    status: Literal["passed", "incorrect", "rejected", "failed"]
    reason: str | None
    """Reason of an incorrect or rejected one, phase of a failed one."""
    tracks: Tracks
    device: Literal["cuda", "cpu"] | None
    """On a CPU small cases run in Triton's interpreter, and nothing is timed."""
    candidate_ms: float | None = None
    speedup: dict[Literal["eager", "compile", "current"], Factor] = {}
    fraction_of_floor: float | None = None
    decision: Literal["keep", "revert", "inconclusive"] | None = None
    feedback: str
    """What happened and where, as the next prompt would tell it."""


class Build(Record):
    """One kernel in one configuration, compiled for a GPU that need not be there."""

    kernel: str
    config: str
    num_warps: int
    num_stages: int
    grid: tuple[int, ...]
    registers: int | None
    spill_bytes: int | None
    shared_bytes: int
    occupancy: float | None
    limiter: str | None


class Compiled(Record):
    """What a candidate would launch."""

    builds: tuple[Build, ...]
    more_builds: int = 0
    failures: tuple[str, ...] = ()


class BoardRow(Record):
    """One model on one problem and track."""

    model: str
    problem: str | None
    track: Track
    gpu: str | None
    baselines: BaselinesMode
    """`session`: times of baselines may be from earlier; not to be compared with `live`."""
    quarantined: str | None
    """Why the problem is quarantined: it accepts a wrong answer, so that its rates mean little."""
    attempts: int
    correct_rate: float | None
    best_speedup_eager: float | None


class Board(Record):
    """The leaderboard, best first."""

    rows: tuple[BoardRow, ...]
    more_rows: int = 0


def checked(verdict: Verdict) -> Checked:
    """Return a verdict of the static rules in short."""
    shown = sorted(verdict.violations, key=lambda found: found.severity != "error")
    return Checked(
        status=verdict.status,
        detail=_short(verdict.detail),
        tracks=verdict.tracks,
        findings=tuple(_finding(one) for one in shown[:MOST_VIOLATIONS]),
        more_findings=max(len(shown) - MOST_VIOLATIONS, 0),
    )


def judged(question: Question, verdict: Verdict) -> Judged:
    """Return a verdict in short."""
    timing = verdict.timing if isinstance(verdict, Passed) else None
    ratios = timing.speedup if timing is not None else None
    speedup: dict[Literal["eager", "compile", "current"], Factor] = {}
    if ratios is not None:
        if ratios.eager is not None:
            speedup["eager"] = _factor(ratios.eager)
        if ratios.compile is not None:
            speedup["compile"] = _factor(ratios.compile)
        if ratios.current is not None:
            speedup["current"] = _factor(ratios.current)
    return Judged(
        status=verdict.status,
        reason=getattr(verdict, "reason", None) or getattr(verdict, "phase", None),
        tracks=verdict.tracks,
        device=verdict.device,
        candidate_ms=timing.candidate_ms.median if timing is not None else None,
        speedup=speedup,
        fraction_of_floor=timing.fraction_of_floor if timing is not None else None,
        decision=timing.decision if timing is not None else None,
        feedback=feedback(as_attempt(question, Outcome(verdict=verdict))),
    )


def _factor(ratio: Ratio) -> Factor:
    return Factor(median=ratio.median, low=ratio.low, high=ratio.high)


def _finding(found: Violation) -> Finding:
    return Finding(
        rule=found.rule, track=found.track, severity=found.severity, line=found.line, message=found.message
    )


def _short(text: str | None) -> str | None:
    return text if text is None or len(text) <= DETAIL_CHARS else text[: DETAIL_CHARS - 1] + "…"
