"""Shows the inputs of a turn's calls one after another, and knows when the first was shown.

A call's key is written once the GPU has said that the call before is done. Until then its inputs are
noise, so that no stream and no thread can work on them ahead of time.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from eval.gate import DONE, OPENED, QUEUED

if TYPE_CHECKING:
    from eval.gate import Gate

_QUEUE_NS, _QUEUE_NS_A_CALL = 10_000_000, 20_000_000
"""How long a runner may take to queue one call, or each of several. One that waits for its own results never
says that it is done with that, so after this time its first inputs are shown all the same; it gets one call
a turn."""
_STALL_NS = 200_000_000
"""A runner that makes no progress for so long is shown the rest: it has failed, or is very slow."""


class Opening:
    """Opens the gate of one turn."""

    def __init__(self, gate: Gate, keys: list[bytes]) -> None:
        """Close the gate: the runner has not heard of the turn yet."""
        self._gate, self._keys = gate, keys
        self.start_ns = 0
        """When the first inputs were shown, by the monotonic clock."""
        self.queued = False
        """Whether all work was queued by then."""
        gate.clear()

    def run(self) -> None:
        """Wait until all work is queued, then show one call's inputs after another."""
        count = len(self._keys)
        patience_ns = _QUEUE_NS if count == 1 else count * _QUEUE_NS_A_CALL
        self.queued = self._reached(QUEUED, 1, patience_ns)
        self.start_ns = time.monotonic_ns()
        waits = True
        for call, key in enumerate(self._keys):
            waits = waits and (call == 0 or self._reached(DONE, call, _STALL_NS))
            self._gate.write_key(call, key)
            self._gate.write(OPENED, call + 1)

    def _reached(self, word: int, wanted: int, patience_ns: int) -> bool:
        deadline = time.monotonic_ns() + patience_ns
        while self._gate.read(word) < wanted:
            if time.monotonic_ns() > deadline:
                return False
        return True
