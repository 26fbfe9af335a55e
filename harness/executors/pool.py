"""A pool with back-pressure: who submits faster than is judged waits, or is told that it is full."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future
from types import TracebackType
from typing import Self

from eval import Job, Verdict
from harness.executors.base import Executor, SlotState


class JudgePool:
    """Holds at most `waiting` jobs beside those that are being judged; a context manager.

    It owns the executor that it is given, and closes it.
    """

    def __init__(self, executor: Executor, waiting: int = 64) -> None:
        self._executor = executor
        self.slots, self.device, self.gpu_name = executor.slots, executor.device, executor.gpu_name
        self.bound = executor.slots + waiting
        self._held = 0
        self._changed = threading.Condition()

    @property
    def held(self) -> int:
        """How many jobs wait or are being judged."""
        return self._held

    def submit(self, job: Job, *, block: bool = True, timeout_s: float | None = None) -> Future[Verdict]:
        """Queue a job and return the future of its verdict; where it is full, wait up to `timeout_s`.

        A future that is cancelled before its job begins makes room at once.

        Raises:
            queue.Full: it stayed full, or was full and `block` is False.

        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._held < self.bound, timeout_s if block else 0.0):
                raise queue.Full
            self._held += 1
        future = self._executor.submit(job)
        future.add_done_callback(self._let_go)
        return future

    def _let_go(self, _: Future[Verdict]) -> None:
        with self._changed:
            self._held -= 1
            self._changed.notify()

    def states(self) -> tuple[SlotState, ...]:
        """Return what each slot does now."""
        return self._executor.states()

    def __enter__(self) -> Self:
        self._executor.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._executor.__exit__(kind, value, tb)
