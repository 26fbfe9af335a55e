"""Times of the baselines that serve for later candidates of the same session, while a canary agrees.

One set belongs to one `Baselines`: one problem, size and current code, on one GPU, in one judge process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from eval.judge import stats

DRIFT_LIMIT = 0.01
"""The canary may be so much faster or slower than it was; beyond, all baselines are timed again."""
_LONGEST_SECONDS = 3600.0


class Kept(NamedTuple):
    """Times of one baseline from earlier in the session."""

    samples_ms: list[float]
    place_half_width: float
    """See `stats.place_half_width`."""


class SessionTimes:
    """What was measured, and when."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._samples: dict[str, tuple[float, ...]] = {}
        self._places: dict[str, float] = {}
        self._taken = 0.0

    def keep(self, samples_ms: Mapping[str, Sequence[float]], places: Mapping[str, float]) -> None:
        """Keep the samples of a live session and `stats.place_half_width`, by role, but the candidate's."""
        self._samples = {role: tuple(values) for role, values in samples_ms.items() if role != "candidate"}
        self._places = {role: places.get(role, 0.0) for role in self._samples}
        self._taken = self._clock()

    def canary(self) -> str | None:
        """Return the role to time beside the next candidate, the shortest; None where all must be timed."""
        if not self._samples or self._clock() - self._taken > _LONGEST_SECONDS:
            return None
        return min(self._samples, key=lambda role: stats.median(list(self._samples[role])))

    def drift(self, role: str, now_ms: Sequence[float]) -> float:
        """Return by what part the canary's time has changed, positive where it is slower."""
        return stats.median(list(now_ms)) / stats.median(list(self._samples[role])) - 1.0

    def others(self, role: str) -> dict[str, Kept]:
        """Return what was kept of all but the canary."""
        return {
            name: Kept(list(values), self._places[name])
            for name, values in self._samples.items()
            if name != role
        }
