"""What events and the exchange cost, by turns that run nothing but programs of known length.

A candidate may be at work while the turns of its session are taken, and make everybody's times look shorter.
So what counts is the middle of what was found beside the last candidates, one figure each; beside the first
few the least.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from eval.judge import stats

_AT_FIRST, _LATER = 9, 3
_FEW, _KEPT = 3, 5
"""Candidates beside which too little is known for a middle, and of how many what was found is kept."""
_OUTSIDE_MS = 1.39e-3
"""What Nsight Compute counts of a kernel before its first instruction and after its last, on an H200
(docs/timing.md)."""
_USUAL_FACTOR, _MOST_EVENT_MS = 3.0, 5e-3
"""An event pair that shows so many times what others of its turn do was disturbed. No more than this is taken
off: up to 3.4 us were on the machines so far (docs/measurements/timing_h200.md)."""


class NullTurn(NamedTuple):
    """One turn."""

    done_ms: float
    """Its length by the judge's clock."""
    spun_ms: float
    """What its programs were to last, all together."""
    beyond_ms: list[float]
    """What the events of each showed beyond what it did last."""

    @property
    def event_ms(self) -> float:
        """What a pair showed, disturbed ones aside."""
        most_ms = _USUAL_FACTOR * stats.median(self.beyond_ms)
        usual_ms = [ms for ms in self.beyond_ms if ms <= most_ms]
        return sum(usual_ms) / len(usual_ms)

    @property
    def exchange_ms(self) -> float:
        """What the judge's clock showed beyond the calls."""
        return self.done_ms - self.spun_ms - sum(self.beyond_ms)


class NullTurns:
    """Kept as long as the baselines live."""

    def __init__(self) -> None:
        self._events_ms: deque[float] = deque(maxlen=_KEPT)
        """By candidate."""
        self._waits_ms = [0.0]
        """Of the last candidate's turns."""

    def wanted(self, *, first: bool) -> int:
        """Return how many turns are to be taken: in a candidate's `first` session or where none is known."""
        if self._events_ms and not first:
            return 0
        return _AT_FIRST if len(self._events_ms) < _FEW else _LATER

    def record(self, turns: list[NullTurn]) -> None:
        """Take down the turns that were taken beside one candidate."""
        self._events_ms.append(stats.median([turn.event_ms for turn in turns]))
        self._waits_ms = [turn.exchange_ms for turn in turns]

    @property
    def exchange_ms(self) -> float:
        """What the judge's clock shows of a turn beyond its calls."""
        return stats.median(self._waits_ms)

    @property
    def exchange_spread_ms(self) -> float:
        """How far turns differ in that."""
        return stats.spread(self._waits_ms)

    @property
    def event_ms(self) -> float:
        """What an event pair shows beyond what Nsight Compute does."""
        found_ms = [*self._events_ms]
        ms = min(found_ms) if len(found_ms) < _FEW else stats.median(found_ms)
        return min(max(0.0, ms - _OUTSIDE_MS), _MOST_EVENT_MS)
