"""How many calls share a turn, and how many turns each contestant takes at least."""

from __future__ import annotations

import math

from eval.judge.contestant import SAMPLES_A_TURN
from eval.judge.stats import LEAST_SAMPLES

_BATCH_MS, _PLACES, _LONG_MS = 0.5, 4, 1.0
"""Short calls are timed several in a turn, so that the cost of the exchange is shared: as many as take half a
millisecond, and where that is not four, four or as many as take two; those of a millisecond alone."""
_MOST_ROUND_MS = 100.0
"""All contestants' turns of one round together, so that there are many rounds."""
LEAST_MS = 1e-3
"""What a call is taken to last at least, where that is divided by."""
_LEAST_TURNS = 12


def calls_a_turn(shortest_ms: float, together_ms: float) -> int:
    """Return how many calls of `shortest_ms` share a turn; one call of each contestant takes `together_ms`.

    The candidate's own events decide nothing here: they may say anything.
    """
    if shortest_ms >= _LONG_MS:
        return 1
    shortest_ms = max(shortest_ms, LEAST_MS)
    places = min(_PLACES, math.ceil(2 * _LONG_MS / shortest_ms))
    wanted = max(places, math.ceil(_BATCH_MS / shortest_ms))
    return max(1, min(wanted, int(_MOST_ROUND_MS / max(together_ms, LEAST_MS))))


def least_turns(calls: int) -> int:
    """Return how many turns of so many calls are taken at least."""
    return max(_LEAST_TURNS, math.ceil(LEAST_SAMPLES / min(calls, SAMPLES_A_TURN)))
