"""Shows the inputs of a turn's calls one after another, and knows when the first was shown and the last done.

A call's key is written once the GPU has said that the call before is done. Until then its inputs are
noise, so that no stream and no thread can work on them ahead of time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from eval.gate import AWAKE, DONE, OPENED, QUEUED, TURN

if TYPE_CHECKING:
    from eval.gate import Gate

_QUEUE_NS, _QUEUE_NS_A_CALL = 10_000_000, 20_000_000
"""How long a runner may take to queue one call, or each of several. One that waits for its own results never
says that it is done with that, so after this time its first inputs are shown all the same; it gets one call
a turn."""
_STALL_NS = 200_000_000
"""A runner that makes no progress for so long is shown the rest: it has failed, or is very slow."""
_READS = 1024
"""Of a word between two looks at the time and at the runner."""


class Opening:
    """Opens the gate of one turn."""

    def __init__(self, gate: Gate, keys: list[bytes], speaks: Callable[[], bool]) -> None:
        """Close the gate: the runner has not heard of the turn yet.

        `speaks` tells whether the runner has something to say, or is gone: then nothing is waited for.
        """
        self._gate, self._keys, self._speaks = gate, keys, speaks
        self.start_ns = self.done_ns = 0
        """When the first inputs were shown, and when the last call was seen to be done, by the monotonic
        clock."""
        self.queued = self.done = False
        """Whether all work was queued before anything was shown, and whether the last call was seen to be
        done."""
        self.watched = True
        """Whether the end was watched for, so that `done_ns` is when it came."""
        gate.clear()

    def wait(self) -> None:
        """Wait until all work is queued, for a while."""
        count = len(self._keys)
        patience_ns = _QUEUE_NS if count == 1 else count * _QUEUE_NS_A_CALL
        self.queued = self.queued or self._reached(QUEUED, 1, patience_ns)

    def admit(self) -> None:
        """Let the runner's GPU work come as far as the gate: until now others have the GPU."""
        self._gate.write(TURN, 1)

    def run(self, meanwhile: Callable[[], None] | None = None) -> None:
        """Once the GPU has turned to the runner, show one call's inputs after another; wait for the last.

        What is done `meanwhile`, once all are shown, should be over well before the last is done.
        """
        self._reached(AWAKE, 1, _STALL_NS)
        self.start_ns = time.monotonic_ns()
        waits = True
        for call, key in enumerate(self._keys):
            waits = waits and (call == 0 or self._reached(DONE, call, _STALL_NS))
            self._gate.write_key(call, key)
            self._gate.write(OPENED, call + 1)
        if meanwhile is not None:
            meanwhile()
            self.watched = self._gate.read(DONE) < len(self._keys)
        self.finish()

    def finish(self) -> None:
        """Wait until the last call is done, or the runner has something to say."""
        if not self.done:
            self.done = self._reached(DONE, len(self._keys))
            self.done_ns = time.monotonic_ns()

    def abandon(self) -> None:
        """Let what is queued run on noise: nobody looks at it any more."""
        self._gate.write(OPENED, len(self._keys))
        self._gate.write(TURN, 1)

    def _reached(self, word: int, wanted: int, patience_ns: int | None = None) -> bool:
        deadline = time.monotonic_ns() + patience_ns if patience_ns is not None else None
        reads = 0
        while self._gate.read(word) < wanted:
            reads += 1
            if reads % _READS:
                continue
            if self._speaks() or (deadline is not None and time.monotonic_ns() > deadline):
                return self._gate.read(word) >= wanted
        return True
