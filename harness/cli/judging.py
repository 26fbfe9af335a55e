"""How far judging is: candidates a minute, how busy the slots are, what each does, how long it takes yet."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence

from harness.cli.progress import Steps
from harness.executors import Executor, SlotState

_FEW_SLOTS = 8
_MANY = 999.5
_MINUTE, _HOUR = 60.0, 3600.0


class JudgingSteps(Steps):
    """Counts candidates, those apart that were judged before and took no time."""

    def __init__(
        self, total: int, what: str, executor: Executor, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(total, what)
        self._executor, self._clock = executor, clock
        self._start = clock()
        self._judged = self._known = 0

    def judged(self, *, cached: bool) -> None:
        """Count one candidate."""
        self._known += cached
        self._judged += not cached
        self.step()

    def detail(self) -> str:
        """Return the pace, the slots and what is left, in words."""
        left = self._total - self._judged - self._known
        return pace(self._judged, left, self._clock() - self._start, self._executor.states())


def pace(judged: int, left: int, seconds: float, states: Sequence[SlotState]) -> str:
    """Put into words how fast it goes; nothing of a pace before the first verdict."""
    parts: list[str] = []
    if judged and seconds > 0:
        rate = judged / seconds
        parts.append(f"{_short(rate * _MINUTE)} a minute")
        if left:
            parts.append(f"about {_span(left / rate)} left")
    if seconds > 0 and states:
        busy = sum(state.busy_s for state in states) / (seconds * len(states))
        parts.append(f"slots {min(1.0, busy):.0%} busy")
    return ", ".join([*parts, *([_slots(states)] if states else [])])


def _short(rate: float) -> str:
    return f"{rate:.3g}" if rate < _MANY else f"{rate:,.0f}"


def _slots(states: Sequence[SlotState]) -> str:
    if len(states) <= _FEW_SLOTS:
        return "; ".join(f"{state.name} {state.stage}" for state in states)
    counts = Counter(state.stage for state in states)
    return ", ".join(f"{number} {stage}" for stage, number in sorted(counts.items()))


def _span(seconds: float) -> str:
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.1f} h"
