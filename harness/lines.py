"""One JSON object a candidate: what ``eval --json`` and ``check --json`` print of an attempt."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from eval.records import Tracks, Verdict, Violation
from harness.records import Attempt

_NOT_PRINTED = {"samples_ms"}


def attempt_line(attempt: Attempt, *, cached: bool = False) -> dict[str, Any]:
    """Return the fixed fields of an attempt, whatever happened; an error of ours has no verdict.

    `cached` says that the verdict was there before. The timing's samples stay in the store.
    """
    verdict = attempt.verdict
    return {
        "file": attempt.reply.source,
        "problem": attempt.problem,
        "quarantined": attempt.quarantined,
        "stage": attempt.stage,
        "device": verdict.device if verdict is not None else attempt.device,
        "model": attempt.reply.model,
        "sample": attempt.reply.sample,
        "cached": cached,
        "duplicate_of": verdict.duplicate_of if verdict is not None else None,
        "status": verdict.status if verdict is not None else "error",
        "reason": getattr(verdict, "reason", None),
        "phase": getattr(verdict, "phase", None),
        "detail": verdict.detail if verdict is not None else attempt.error,
        "defence": verdict.defence if verdict is not None else None,
        "violations": [_violation(found, attempt) for found in (verdict.violations if verdict else ())],
        "tracks": (verdict.tracks if verdict is not None else Tracks()).model_dump(),
        **_judged(verdict),
        "hashes": _hashes(attempt),
        "seconds": verdict.seconds if verdict is not None else None,
    }


def _violation(found: Violation, attempt: Attempt) -> dict[str, Any]:
    return {**found.model_dump(), "reply_line": reply_line(found, attempt)}


def reply_line(found: Violation, attempt: Attempt) -> int | None:
    """Return the 1-based line of the reply that a violation speaks of; None where the file is the code."""
    if attempt.candidate is None or attempt.reply.is_code or found.line is None:
        return None
    return attempt.candidate.first_line + found.line - 1


def _judged(verdict: Verdict | None) -> dict[str, Any]:
    if verdict is None:
        return dict.fromkeys(("robust", "variants", "timing", "guarantees", "environment"))
    timing = verdict.timing
    return {
        "robust": verdict.robust,
        "variants": [variant.model_dump(mode="json") for variant in verdict.variants],
        "timing": timing.model_dump(mode="json", exclude=_NOT_PRINTED) if timing is not None else None,
        "guarantees": verdict.guarantees.model_dump(mode="json"),
        "environment": verdict.environment.model_dump(mode="json") if verdict.environment else None,
    }


def _hashes(attempt: Attempt) -> dict[str, str | None]:
    verdict, candidate = attempt.verdict, attempt.candidate
    return {
        "problem": attempt.problem_hash or (verdict.problem_hash if verdict is not None else None),
        "stage": attempt.stage_hash,
        "gpu": attempt.gpu_hash,
        "prompt": attempt.reply.prompt_hash,
        "candidate": sha256(candidate.code.encode()).hexdigest() if candidate is not None else None,
    }
