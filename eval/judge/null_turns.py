"""What events and the exchange cost, by turns that run nothing but programs of known length.

The turns of several sessions count together. The candidate of one may be at work while its turns are taken,
and make everybody's times look shorter; those of the others have gone, and the middle of all is without it.
"""

from __future__ import annotations

from collections import deque

from eval.judge import stats

_AT_FIRST, _LATER, _KEPT = 9, 3, 15
"""Turns of a session that finds none, of one that does, and how many are kept."""
_OUTSIDE_MS = 1.39e-3
"""What Nsight Compute counts of a kernel before its first instruction and after its last, on an H200
(docs/timing.md)."""
_USUAL_FACTOR, _MOST_EVENT_MS = 3.0, 5e-3
"""An event pair that shows so many times what others of its turn do was disturbed. No more than this is taken
off: 3.0 us is the most that was right on a machine so far (docs/timing.md)."""


class NullTurns:
    """Kept as long as the trusted runners live that take them."""

    def __init__(self) -> None:
        self._kind: tuple[str, int] | None = None
        self._waits_ms: deque[float] = deque(maxlen=_KEPT)
        self._events_ms: deque[float] = deque(maxlen=_KEPT)

    def wanted(self, role: str, calls: int) -> int:
        """Return how many turns are to be taken now, of so many calls, in the runner of this role.

        What others took, or turns of another number of calls, does not count for them.
        """
        if self._kind == (role, calls) and self._waits_ms:
            return _LATER
        self._kind = role, calls
        self._waits_ms.clear()
        self._events_ms.clear()
        return _AT_FIRST

    def record(self, done_ms: float, spun_ms: float, beyond_ms: list[float]) -> None:
        """Take down one turn.

        `done_ms` is its length by the judge's clock, of which the programs were to last `spun_ms`, and
        `beyond_ms` what the events of each showed beyond what it did last.
        """
        most_ms = _USUAL_FACTOR * stats.median(beyond_ms)
        usual_ms = [ms for ms in beyond_ms if ms <= most_ms]
        self._events_ms.append(sum(usual_ms) / len(usual_ms))
        self._waits_ms.append(done_ms - spun_ms - sum(beyond_ms))

    @property
    def exchange_ms(self) -> float:
        """What the judge's clock shows of a turn beyond its calls."""
        return stats.median([*self._waits_ms])

    @property
    def exchange_spread_ms(self) -> float:
        """How far turns differ in that."""
        return stats.spread([*self._waits_ms])

    @property
    def event_ms(self) -> float:
        """What an event pair shows beyond what Nsight Compute does."""
        return min(max(0.0, stats.median([*self._events_ms]) - _OUTSIDE_MS), _MOST_EVENT_MS)
