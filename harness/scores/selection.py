"""Which attempts count: not those that were struck, nor those judged under other than the strict rules."""

from __future__ import annotations

from collections.abc import Iterable

from eval.records import Record
from harness.records import Attempt


class LeftOut(Record):
    """How many attempts are in no score, and why."""

    voided: int = 0
    other_rules: int = 0
    """Judged with lenient rules or with none: for calibration, never ranked."""


def is_counted(attempt: Attempt) -> bool:
    """Tell whether the attempt belongs in a score."""
    return attempt.void_reason is None and attempt.rules == "strict"


def left_out(attempts: Iterable[Attempt]) -> LeftOut:
    """Count what `is_counted` leaves out."""
    rest = [attempt for attempt in attempts if not is_counted(attempt)]
    voided = sum(attempt.void_reason is not None for attempt in rest)
    return LeftOut(voided=voided, other_rules=len(rest) - voided)


def left_out_text(counts: LeftOut) -> str:
    """Say it in a sentence; empty text where nothing was left out."""
    parts = []
    if counts.voided:
        parts.append(f"{counts.voided} voided")
    if counts.other_rules:
        parts.append(f"{counts.other_rules} judged under other than the strict rules")
    return f"Not counted: {', '.join(parts)}." if parts else ""
