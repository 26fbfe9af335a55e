"""From an attempt to the facts that are scored; the store gives the same facts without the texts."""

from __future__ import annotations

from math import isfinite

from harness.records import Attempt, Facts


def facts_of(attempt: Attempt) -> Facts:
    """Return what scores need to know of an attempt. What it cost only the store knows."""
    verdict, reply = attempt.verdict, attempt.reply
    timing = verdict.timing if verdict else None
    speedup = timing.speedup if timing else None
    ratios = [getattr(speedup, name, None) for name in ("eager", "compile", "current")]
    eager, compiled, current = (_finite(ratio.median if ratio else None) for ratio in ratios)
    environment = verdict.environment if verdict else None
    on_gpu = attempt.device == "cuda"
    return Facts(
        id=attempt.id,
        reply=attempt.id,
        model=reply.model,
        sample=reply.sample,
        problem=attempt.problem,
        problem_hash=verdict.problem_hash if verdict else None,
        stage=attempt.stage,
        status=verdict.status if verdict else None,
        kind=getattr(verdict, "reason", None) or getattr(verdict, "phase", None),
        open=verdict.tracks.open if verdict else None,
        stage_legal=verdict.tracks.stage if verdict else None,
        judged_on=verdict.device if verdict else None,
        device=attempt.device,
        gpu=((environment and environment.gpu) or attempt.gpu_name) if on_gpu else None,
        size=attempt.size if on_gpu else None,
        quarantined=attempt.quarantined,
        baselines=attempt.baselines if on_gpu else "live",
        rules=attempt.rules,
        evaluator=attempt.evaluator,
        void=attempt.void_reason is not None,
        created=attempt.created,
        ms=_finite(timing.candidate_ms.median if timing else None),
        eager=eager,
        compile=compiled,
        current=current,
        floor=_finite(timing.fraction_of_floor if timing else None),
        cost=None,
        tokens=_tokens(reply.usage),
        bytes=_finite(timing.bytes if timing else None),
        copy_gb_per_s=_finite(timing.copy_gb_per_s if timing else None),
        broken=tuple(
            dict.fromkeys((v.severity, v.rule, v.track) for v in (verdict.violations if verdict else ()))
        ),
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None


def _tokens(usage: dict[str, object]) -> int | None:
    def count(name: str) -> int | None:
        value = usage.get(name)
        return value if isinstance(value, int) else None

    for names in (
        ("total_tokens",),
        ("prompt_tokens", "completion_tokens"),
        ("input_tokens", "output_tokens"),
    ):
        parts = [count(name) for name in names]
        if None not in parts:
            return sum(part for part in parts if part is not None)
    return None
