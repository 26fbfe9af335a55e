"""How much may pass in a minute: a sliding window, which no minute of the endpoint's own can exceed."""

from __future__ import annotations

from collections import deque

MINUTE_S = 60.0


class Passed:
    """An amount that passed at a moment; it may be corrected when the true amount is known."""

    def __init__(self, moment: float, amount: float) -> None:
        self.moment = moment
        self.amount = amount


class Window:
    """Amounts that passed within the last minute. Knows no clock: every moment is given, in seconds."""

    def __init__(self, limit: float, seconds: float = MINUTE_S) -> None:
        self._limit = limit
        self._seconds = seconds
        self._passed: deque[Passed] = deque()

    def delay(self, amount: float, now: float) -> float:
        """Return the seconds until that amount may pass; one that is over the limit passes alone."""
        self._forget(now)
        over = sum(entry.amount for entry in self._passed) + amount - self._limit
        wait = 0.0
        for entry in self._passed:
            if over <= 0:
                break
            over -= entry.amount
            wait = entry.moment + self._seconds - now
        return wait

    def add(self, amount: float, now: float) -> Passed:
        """Let that amount pass."""
        entry = Passed(now, amount)
        self._passed.append(entry)
        return entry

    def _forget(self, now: float) -> None:
        while self._passed and self._passed[0].moment + self._seconds <= now:
            self._passed.popleft()
