"""One JSON object a candidate: what ``eval --json`` and ``check --json`` print of an attempt."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Literal

from pydantic import Field, field_serializer

from eval.records import (
    Environment,
    Guarantees,
    Record,
    Timing,
    Tracks,
    VariantResult,
    Verdict,
    Violation,
)
from harness.records import Attempt


class PlacedViolation(Violation):
    """A violation, and where it stands in the reply."""

    reply_line: int | None = Field(description="1-based line of the reply; null where the file is the code.")


class Hashes(Record):
    """sha256 of all that a verdict rests on, hexadecimal; null for what there was none of."""

    problem: str | None
    stage: str | None
    gpu: str | None
    prompt: str | None
    candidate: str | None


class Line(Record):
    """One candidate, whatever happened. Fields may be added; none changes its meaning or goes."""

    id: str | None = Field(description="Id of the attempt, as `show` takes it; null for `check`.")
    file: str | None = Field(description="As it was given; lines of JSONL add `#line`.")
    problem: str
    quarantined: str | None = Field(description="Why the problem is not to be trusted.")
    stage: str | None
    device: Literal["cuda", "cpu"] | None = Field(description="null for `check`.")
    model: str
    sample: int
    cached: bool = Field(description="The verdict was there before.")
    duplicate_of: str | None
    status: Literal["passed", "incorrect", "rejected", "failed", "error"] = Field(
        description="`error` is ours, and no verdict."
    )
    reason: str | None
    phase: str | None
    detail: str | None
    defence: str | None
    violations: tuple[PlacedViolation, ...]
    tracks: Tracks
    robust: bool | None
    variants: tuple[VariantResult, ...]
    timing: Timing | None
    guarantees: Guarantees
    environment: Environment
    hashes: Hashes
    seconds: float

    @field_serializer("timing")
    def _without_samples(self, timing: Timing | None) -> dict[str, Any] | None:
        return timing.model_dump(mode="json", exclude={"samples_ms"}) if timing is not None else None


def attempt_line(attempt: Attempt, *, cached: bool = False) -> dict[str, Any]:
    """Return the fixed fields of an attempt as JSON has them; an error of ours has no verdict.

    `cached` says that the verdict was there before. The timing's samples stay in the store.
    """
    return line_of(attempt, cached=cached).model_dump(mode="json")


def line_of(attempt: Attempt, *, cached: bool = False) -> Line:
    """Return the same as a record."""
    verdict = attempt.verdict
    return Line(
        id=attempt.id or None,
        file=attempt.reply.source,
        problem=attempt.problem,
        quarantined=attempt.quarantined,
        stage=attempt.stage,
        device=(verdict.device if verdict is not None else None) or attempt.device,
        model=attempt.reply.model,
        sample=attempt.reply.sample,
        cached=cached,
        duplicate_of=verdict.duplicate_of if verdict is not None else None,
        status=verdict.status if verdict is not None else "error",
        reason=getattr(verdict, "reason", None),
        phase=getattr(verdict, "phase", None),
        detail=verdict.detail if verdict is not None else attempt.error,
        defence=verdict.defence if verdict is not None else None,
        violations=tuple(_placed(found, attempt) for found in (verdict.violations if verdict else ())),
        tracks=verdict.tracks if verdict is not None else Tracks(),
        robust=verdict.robust if verdict is not None else None,
        variants=verdict.variants if verdict is not None else (),
        timing=verdict.timing if verdict is not None else None,
        guarantees=verdict.guarantees if verdict is not None else Guarantees(),
        environment=_environment(verdict) or Environment(evaluator=attempt.evaluator),
        hashes=_hashes(attempt),
        seconds=verdict.seconds if verdict is not None else 0.0,
    )


def _placed(found: Violation, attempt: Attempt) -> PlacedViolation:
    return PlacedViolation(**found.model_dump(), reply_line=reply_line(found, attempt))


def reply_line(found: Violation, attempt: Attempt) -> int | None:
    """Return the 1-based line of the reply that a violation speaks of; None where the file is the code."""
    if attempt.candidate is None or attempt.reply.is_code or found.line is None:
        return None
    return attempt.candidate.first_line + found.line - 1


def _environment(verdict: Verdict | None) -> Environment | None:
    return verdict.environment if verdict is not None else None


def _hashes(attempt: Attempt) -> Hashes:
    verdict, candidate = attempt.verdict, attempt.candidate
    return Hashes(
        problem=attempt.problem_hash or (verdict.problem_hash if verdict is not None else None),
        stage=attempt.stage_hash,
        gpu=attempt.gpu_hash,
        prompt=attempt.reply.prompt_hash,
        candidate=sha256(candidate.code.encode()).hexdigest() if candidate is not None else None,
    )
