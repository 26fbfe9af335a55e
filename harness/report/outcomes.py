"""How the attempts ended: a bar by status for each model, and a count for each reason and rule."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal

from eval.records import Record
from harness.records import Attempt, Facts
from harness.report.why import FAILED, INCORRECT, REJECTED

Status = Literal["passed", "incorrect", "rejected", "failed", "error"]
STATUSES: tuple[Status, ...] = ("passed", "incorrect", "rejected", "failed", "error")
_MEANINGS = {"incorrect": INCORRECT, "rejected": REJECTED, "failed": FAILED}


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


def outcomes(facts: Iterable[Facts]) -> Outcomes:
    """Count how the attempts ended."""
    by_model: dict[str, Counter[str]] = defaultdict(Counter)
    causes: Counter[tuple[str, str, str]] = Counter()
    rules: Counter[tuple[str, str, str]] = Counter()
    for one in facts:
        status = one.status or "error"
        by_model[one.model][status] += 1
        if status in _MEANINGS and one.kind is not None:
            causes[status, one.kind, _MEANINGS[status][one.kind][0]] += 1
        elif status == "error":
            causes["error", "error", "the harness failed"] += 1
        # Attempts, not violations: one that breaks a rule ten times counts once.
        rules.update((severity, rule, f"{track} track") for severity, rule, track in one.broken)
    return Outcomes(
        bars=tuple(_bar(model, by_model[model]) for model in sorted(by_model)),
        causes=_ordered(causes),
        rules=tuple(_cause(*item) for item in sorted(rules.items(), key=lambda item: (-item[1], item[0]))),
    )


def _bar(model: str, counts: Counter[str]) -> Bar:
    segments, start = [], 0.0
    for status in STATUSES:
        width = 100 * counts[status] / counts.total()
        if counts[status]:
            segments.append(
                Segment(status=status, count=counts[status], start=round(start, 3), width=round(width, 3))
            )
        start += width
    return Bar(model=model, total=counts.total(), segments=tuple(segments))


def _ordered(causes: Counter[tuple[str, str, str]]) -> tuple[Cause, ...]:
    order: Sequence[str] = STATUSES
    ordered = sorted(causes.items(), key=lambda item: (order.index(item[0][0]), -item[1], item[0]))
    return tuple(_cause(*item) for item in ordered)


def _cause(what: tuple[str, str, str], attempts: int) -> Cause:
    status, name, meaning = what
    return Cause(status=status, name=name, meaning=meaning, attempts=attempts)
