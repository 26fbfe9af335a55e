"""How the runs of a store are going: counts, rate, cost, what is in flight and how long the rest takes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from eval.records import Record
from harness.store import Store

WINDOW_S = 300.0
"""Seconds over which the rate is taken, at most: it begins no earlier than what is at work."""


class Progress(Record):
    """One moment of a store."""

    running: tuple[str, ...]
    """Commands of the runs that are at work."""
    attempts: int
    """Verdicts and failures of ours, of all runs."""
    per_minute: float
    """Attempts a minute, over the last five minutes or since the oldest run at work began."""
    calls_in_flight: int
    waiting: int
    """Replies that are there and not yet judged, of the runs at work."""
    gpus_busy: tuple[str, ...]
    """GPUs that gave a verdict in that time, while something runs."""
    cost: float | None
    """Of all calls, in the currency of the prices; None where no price is known."""
    seconds_left: float | None
    """For what waits, at this rate; None where nothing waits or nothing moves."""


def progress(store: Store) -> Progress:
    """Read how things stand."""
    now = datetime.now(UTC)
    running = [run for run in store.runs() if run.state == "running"]
    begun = min((datetime.fromisoformat(run.created) for run in running), default=now)
    since = max(now - timedelta(seconds=WINDOW_S), begun) if running else now - timedelta(seconds=WINDOW_S)
    recent = store.activity(since.isoformat(timespec="milliseconds").replace("+00:00", "Z"))
    rate = recent.attempts_since * 60 / max(1.0, (now - since).total_seconds())
    waiting = sum(store.unjudged(run.id) for run in running)
    rest = waiting + recent.calls_in_flight
    return Progress(
        running=tuple(run.command for run in running),
        attempts=recent.attempts,
        per_minute=round(rate, 1),
        calls_in_flight=recent.calls_in_flight,
        waiting=waiting,
        gpus_busy=recent.gpus if running else (),
        cost=recent.cost,
        seconds_left=round(rest / rate * 60, 1) if rest and rate and running else None,
    )
