"""The judge's threads take turns: while one waits for a runner, another goes on.

Nothing of the judge's state has to be safe against threads, since one of them works at a time, and torch's
default dtype and generators are never changed across a wait.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

_lock = threading.Lock()


class _Here(threading.local):
    """What is known of this thread."""

    works = False
    waited_s = 0.0


_here = _Here()


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Work: no other thread does, until this one waits or is through."""
    _take()
    try:
        yield
    finally:
        if _here.works:  # not where a signal ended the wait for it
            _give()


@contextlib.contextmanager
def passed_on() -> Iterator[None]:
    """Wait for somebody else, while the other thread may work; nothing but that where none is `held`."""
    if not _here.works:
        yield
        return
    _give()
    try:
        yield
    finally:
        _take()


def wait_for(event: threading.Event) -> float:
    """Wait for what the other thread brings about, as for itself; returns how many seconds that took."""
    before_s, since = _here.waited_s, time.monotonic()
    with passed_on():
        event.wait()
    took_s = time.monotonic() - since
    _here.waited_s = before_s + took_s
    return took_s


def waited_s() -> float:
    """Return how long this thread has waited for the other one so far."""
    return _here.waited_s


def _take() -> None:
    since = time.monotonic()
    _lock.acquire()
    _here.works = True
    _here.waited_s += time.monotonic() - since


def _give() -> None:
    _here.works = False
    _lock.release()
