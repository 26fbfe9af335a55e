"""Several official shapes: a candidate is tried on each, and its times are their geometric means."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

from eval.judge import stats
from eval.records import Job, Passed, Problem, Quantity, Ratio, Speedup, Timing, Verdict

FloorBy = Literal["bytes", "flops"] | None


def official_sizes(problem: Problem) -> tuple[str, ...]:
    """Return the names of the sizes that count where none is asked for."""
    marked = tuple(size.name for size in problem.sizes if size.official)
    return marked or (problem.sizes[0].name,)


def has_one_size(job: Job) -> bool:
    """Tell whether a job is tried on one size alone."""
    return job.size is not None or len(official_sizes(job.problem)) == 1


def tried_on_all(job: Job, attempt: Callable[[Job], Verdict]) -> Verdict:
    """Try a job on every official size; the first verdict that is no pass is the verdict."""
    if has_one_size(job):
        return attempt(job)
    passed: dict[str, Passed] = {}
    for size in official_sizes(job.problem):
        verdict = attempt(job.model_copy(update={"size": size}))
        if not isinstance(verdict, Passed):
            return verdict
        passed[size] = verdict
    return combined(passed, job.min_gain)


def combined(passed: dict[str, Passed], min_gain: float | None) -> Passed:
    """Return one verdict for several sizes: the first one's, with geometric means of all times."""
    first = next(iter(passed.values()))
    timings = {size: verdict.timing for size, verdict in passed.items() if verdict.timing is not None}
    robust = [verdict.robust for verdict in passed.values()]
    update: dict[str, Any] = {
        "size": None,
        "seconds": round(sum(verdict.seconds for verdict in passed.values()), 3),
        "robust": None if None in robust else all(robust),
    }
    if len(timings) == len(passed):
        update["timing"] = mean_timing(timings, min_gain)
    return first.model_copy(update=update)


def mean_timing(timings: dict[str, Timing], min_gain: float | None) -> Timing:
    """Return the geometric means of the times and speed-ups, and the shapes' own beside them."""
    every = list(timings.values())
    current = _ratio([one.speedup.current for one in every])
    stable = all(one.stable for one in every)
    candidate, eager = (
        _quantity([getattr(one, name) for one in every]) for name in ("candidate_ms", "eager_ms")
    )
    assert candidate is not None
    assert eager is not None
    return Timing(
        candidate_ms=candidate,
        eager_ms=eager,
        compile_ms=_quantity([one.compile_ms for one in every]),
        compile_note=next((one.compile_note for one in every if one.compile_note), None),
        current_ms=_quantity([one.current_ms for one in every]),
        judge_ms=_mean([one.judge_ms for one in every]),
        floor_ms=_mean([one.floor_ms for one in every]),
        floor_by=_same([one.floor_by for one in every]),
        floor_source="spec" if any(one.floor_source == "spec" for one in every) else every[0].floor_source,
        fraction_of_floor=_mean([one.fraction_of_floor for one in every]),
        copy_gb_per_s=every[0].copy_gb_per_s,
        peak_tflop_per_s=next((one.peak_tflop_per_s for one in every if one.peak_tflop_per_s), None),
        speedup=Speedup(
            eager=_ratio([one.speedup.eager for one in every]),
            compile=_ratio([one.speedup.compile for one in every]),
            current=current,
        ),
        kernels=every[0].kernels,
        configs=every[0].configs,
        chosen=every[0].chosen,
        decision=stats.decide(current, min_gain, stable=stable),
        stable=stable,
        notes=(f"geometric means over {', '.join(timings)}", *(note for one in every for note in one.notes)),
        shapes=timings,
    )


def _same(values: Sequence[FloorBy]) -> FloorBy:
    return values[0] if len(set(values)) == 1 else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    if len(known) < len(values) or min(known) <= 0:
        return None
    return math.exp(sum(map(math.log, known)) / len(known))


def _quantity(parts: Sequence[Quantity | None]) -> Quantity | None:
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    made = {name: _mean([getattr(part, name) for part in known]) for name in ("median", "low", "high")}
    return Quantity(samples=min(part.samples for part in known), **{k: v or 0.0 for k, v in made.items()})


def _ratio(parts: Sequence[Ratio | None]) -> Ratio | None:
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    made = {name: _mean([getattr(part, name) for part in known]) for name in ("median", "low", "high")}
    return Ratio(**{name: value or 0.0 for name, value in made.items()})
