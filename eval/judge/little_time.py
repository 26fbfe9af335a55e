"""Little time for what may never end: a busy machine tries as much as an idle one, but not for ever."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator

from eval.judge.faults import JudgeError

_PATIENCE = 4
"""Seconds on the wall that a second of work may take."""


class TooLongError(JudgeError):
    """A try took more than its time."""


class Clock:
    """Counts this thread's own seconds."""

    def __init__(self, seconds: float) -> None:
        self._busy = time.thread_time() + seconds
        self._latest = time.monotonic() + _PATIENCE * seconds

    def over(self) -> bool:
        """Tell whether they are spent."""
        return time.thread_time() > self._busy or time.monotonic() > self._latest


@contextlib.contextmanager
def little_time(name: str, seconds: int) -> Iterator[None]:
    """Interrupt what takes too long, where this is the main thread; what is small ends by itself."""
    clock = Clock(seconds)

    def end(*_: object) -> None:
        if not clock.over():
            signal.alarm(1)
            return
        raise TooLongError(f"case {name}: the reference took more than {seconds} s")

    try:
        before = signal.signal(signal.SIGALRM, end)
    except ValueError:  # not the main thread
        yield
        return
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
