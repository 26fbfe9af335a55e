"""The history section of a prompt: earlier attempts at one problem with their results, the newest kept."""

from __future__ import annotations

from collections.abc import Iterable

from harness.prompts.feedback import harmless, outcome
from harness.records import Attempt

BUDGET_CHARS = 1600
_LONGEST_LINE = 200


def history(attempts: Iterable[Attempt], budget: int = BUDGET_CHARS) -> str:
    """Return a line for each judged attempt, oldest first; where the budget is short the oldest go.

    Attempts without a verdict or struck from scores say nothing about a candidate and are left out.
    """
    lines = [
        harmless(_line(number, attempt))[:_LONGEST_LINE]
        for number, attempt in enumerate(
            (one for one in attempts if one.verdict is not None and one.void_reason is None), start=1
        )
    ]
    kept: list[str] = []
    left = budget
    for line in reversed(lines):
        if len(line) + 1 > left:
            break
        kept.append(line)
        left -= len(line) + 1
    gone = len(lines) - len(kept)
    return "\n".join([*([f"({gone} earlier ones are left out)"] if gone else []), *reversed(kept)])


def _line(number: int, attempt: Attempt) -> str:
    verdict = attempt.verdict
    assert verdict is not None
    parts = [f"{number}. {attempt.stage or 'no stage'}: {outcome(verdict)}"]
    timing = verdict.timing
    if timing is not None:
        parts.append(f"{timing.candidate_ms.median:.4g} ms")
        if timing.speedup.current is not None:
            parts.append(f"{timing.speedup.current.median:.2f}x the current code")
        if timing.fraction_of_floor is not None:
            parts.append(f"{100 * timing.fraction_of_floor:.0f} % of the floor's speed")
        if timing.decision is not None:
            parts.append(timing.decision)
    broken = sorted({found.rule for found in verdict.violations if found.severity == "error"})
    if broken:
        parts.append(f"breaks {', '.join(broken)}")
    elif verdict.detail and verdict.status != "passed":
        parts.append(verdict.detail.split("\n")[0])
    return ", ".join(parts)
