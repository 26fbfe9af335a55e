"""How the attempts ended: a bar by status for each model, and a count for each reason and rule."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Literal

from eval.records import Record
from harness.records import Attempt
from harness.report.why import FAILED, INCORRECT, REJECTED

Status = Literal["passed", "incorrect", "rejected", "failed", "error"]
STATUSES: tuple[Status, ...] = ("passed", "incorrect", "rejected", "failed", "error")


class Segment(Record):
    """One piece of a bar; places are percent of its width."""

    status: Status
    count: int
    start: float
    width: float


class Bar(Record):
    """How the attempts of one model ended."""

    model: str
    total: int
    segments: tuple[Segment, ...]


class Cause(Record):
    """One way in which attempts did not pass, or one rule that they broke."""

    status: str
    name: str
    """Reason, phase or rule id."""
    meaning: str
    attempts: int


class Outcomes(Record):
    """Everything of the section."""

    bars: tuple[Bar, ...]
    causes: tuple[Cause, ...]
    rules: tuple[Cause, ...]


def status_of(attempt: Attempt) -> Status:
    """Return the verdict's status, or "error" for a failure of ours."""
    return attempt.verdict.status if attempt.verdict else "error"


def outcomes(attempts: Sequence[Attempt]) -> Outcomes:
    """Count how the attempts ended."""
    by_model: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        by_model[attempt.reply.model].append(attempt)
    return Outcomes(
        bars=tuple(_bar(model, by_model[model]) for model in sorted(by_model)),
        causes=_causes(attempts),
        rules=_rules(attempts),
    )


def _bar(model: str, attempts: Sequence[Attempt]) -> Bar:
    counts = Counter(status_of(attempt) for attempt in attempts)
    segments, start = [], 0.0
    for status in STATUSES:
        width = 100 * counts[status] / len(attempts)
        if counts[status]:
            segments.append(
                Segment(status=status, count=counts[status], start=round(start, 3), width=round(width, 3))
            )
        start += width
    return Bar(model=model, total=len(attempts), segments=tuple(segments))


def _causes(attempts: Sequence[Attempt]) -> tuple[Cause, ...]:
    counts: Counter[tuple[str, str, str]] = Counter()
    for attempt in attempts:
        match attempt.verdict:
            case None:
                counts["error", "error", "the harness failed"] += 1
            case verdict if verdict.status == "incorrect":
                counts["incorrect", verdict.reason, INCORRECT[verdict.reason][0]] += 1
            case verdict if verdict.status == "rejected":
                counts["rejected", verdict.reason, REJECTED[verdict.reason][0]] += 1
            case verdict if verdict.status == "failed":
                counts["failed", verdict.phase, FAILED[verdict.phase][0]] += 1
    ordered = sorted(counts.items(), key=lambda item: (STATUSES.index(item[0][0]), -item[1], item[0]))
    return tuple(Cause(status=s, name=name, meaning=m, attempts=n) for (s, name, m), n in ordered)


def _rules(attempts: Sequence[Attempt]) -> tuple[Cause, ...]:
    """Count attempts, not violations: one attempt that breaks a rule ten times counts once."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for attempt in attempts:
        broken = (
            {(v.severity, v.rule, f"{v.track} track") for v in attempt.verdict.violations}
            if attempt.verdict
            else set()
        )
        counts.update(broken)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Cause(status=s, name=rule, meaning=track, attempts=n) for (s, rule, track), n in ordered)
