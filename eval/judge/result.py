"""Put the samples of a timing session into the record that the verdict carries."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from eval.judge import audit, conditions, stats
from eval.records import Ratio, Speedup, Timing

if TYPE_CHECKING:
    from eval.judge.baselines import Baselines
    from eval.judge.contestant import Contestant
    from eval.judge.floor import Floor
    from eval.judge.session_times import Kept
    from eval.judge.timing import TimingSession
    from eval.records import Job

_MOST_ROWS = 64
_LEAST_MS = 1e-6
_WAITS = "calls of forward could not be queued ahead: their time is the judge's clock's"


def build_timing(
    job: Job, baselines: Baselines, session: TimingSession, candidate: Contestant,
    contestants: list[Contestant], clocks: tuple[dict[str, Any], dict[str, Any]],
    kept: Mapping[str, Kept] | None = None, again: Sequence[str] = (),
) -> Timing:  # fmt: skip
    """Return medians, intervals, speed-ups, floor and decision for one candidate.

    `kept` are times of baselines that did not take turns this time, `again` says why the session
    before this one was not believed.
    """
    every, kept = [candidate, *contestants], kept or {}
    samples = {c.role: corrected(session, c.samples_ms) for c in every}
    samples |= {role: known.samples_ms for role, known in kept.items()}
    places = {
        c.role: stats.place_half_width([corrected(session, turn_ms) for turn_ms in c.call_ms]) for c in every
    }
    places |= {role: known.place_half_width for role, known in kept.items()}
    if candidate.waits:
        outside = audit.outside_ms(candidate, contestants)
        samples["candidate"] = [value + outside for value in samples["candidate"]]
    quantities = {role: stats.quantity(values, places[role]) for role, values in samples.items()}
    own = quantities["candidate"]
    gains: dict[str, Ratio] = {
        role: stats.ratio(values, samples["candidate"], math.hypot(places[role], places["candidate"]))
        for role, values in samples.items()
        if role != "candidate"
    }
    doubts = unsettled(samples, clocks)
    notes = [*baselines.notes, *doubts, *conditions.remarks(*clocks)]
    notes += [_WAITS] if candidate.waits else []
    notes += [f"measured a second time, since the first time {'; '.join(again)}"] if again else []
    floor, moved = baselines.floor, baselines.floor_bytes
    return Timing(
        candidate_ms=own,
        eager_ms=quantities["eager"],
        compile_ms=quantities.get("compile"),
        compile_note=baselines.compile_note,
        current_ms=quantities.get("current"),
        judge_ms=audit.judge_ms(candidate, contestants),
        **floor_facts(floor, own.median),
        hard_limit_ms=baselines.hard_limit_ms,
        bytes=moved,
        flops=baselines.flops,
        gb_per_s=moved / (own.median * 1e-3) / 1e9,
        speedup=Speedup(**gains),
        decision=stats.decide(gains.get("current"), job.min_gain, stable=not doubts),
        stable=not doubts,
        baselines="session" if kept else "live",
        notes=tuple(notes),
        samples_ms={role: tuple(round(value, 6) for value in values) for role, values in samples.items()},
        clock={
            "before": clocks[0], "after": clocks[1],
            "exchange_ms": session.nulls.exchange_ms, "exchange_spread_ms": session.nulls.exchange_spread_ms,
            "event_ms": session.nulls.event_ms, "checked_outputs": session.checked,
            "calls_a_turn": session.calls, "place_half_width": places,
            "exchange_by_call_ms": audit.exchange_ms(contestants),
            "seal_ms": audit.seal_ms(contestants),
            "residual_ms": {c.role: audit.residual_ms(c, contestants) for c in every},
            "residual_spread_ms": {
                c.role: stats.spread(audit.excess_ms(c)) for c in every
            },
            "bound_ms": audit.bound_ms(candidate, contestants),
            "late_ms": {c.role: audit.late_ms(c, contestants) for c in every},
            "late_spread_ms": {c.role: stats.spread(c.sealed_ms) for c in every},
            "late_bound_ms": audit.late_bound_ms(candidate, contestants),
        },
    )  # fmt: skip


def corrected(session: TimingSession, event_ms: list[float]) -> list[float]:
    """Subtract what an event pair shows of a kernel beyond what Nsight Compute counts to it.

    With caches in the same state events read so much too much of short kernels as of long ones
    (docs/measurements/timing_h200.md).
    """
    taken_off_ms = session.nulls.event_ms
    return [max(value - taken_off_ms, _LEAST_MS) for value in event_ms]


def unsettled(samples: Mapping[str, Sequence[float]], clocks: tuple[Mapping[str, Any], ...]) -> list[str]:
    """Say why the times of a session, by role in ms, are not to be relied on; nothing where they are.

    `clocks` are what the driver said before and after it.
    """
    drifting = [f"{role} drifted by more than 3 %" for role, ms in samples.items() if stats.drifts(list(ms))]
    return [*drifting, *conditions.disturbances(*clocks)]


def floor_facts(floor: Floor | None, median_ms: float) -> dict[str, Any]:
    """Return what `Timing` says of the floor and of what it rests on."""
    if floor is None:
        return {}
    measured_copy = floor.copy is not None and floor.copy.source == "measured"
    return {
        "floor_ms": floor.ms,
        "fraction_of_floor": floor.ms / median_ms,
        "floor_by": floor.by,
        "floor_source": floor.source,
        "copy_gb_per_s": floor.copy.value / 1e9 if floor.copy is not None and measured_copy else None,
        "peak_tflop_per_s": floor.peak.value / 1e12 if floor.peak is not None else None,
    }


def flops_of(baselines_case: Any) -> float | None:
    """Floating-point operations of the reference by PyTorch's counter; None where it knows none."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    baselines_case.signature()  # what it takes to find it out the first time is not counted
    with torch.no_grad(), torch.device("meta"), FlopCounterMode(display=False) as counter:
        baselines_case.find_signature()
    return float(counter.get_total_flops()) or None
