"""Jobs that wait for a slot, in order; one whose judge was lost goes back to the front, to another slot."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass, field

from eval import Job, JudgeFailedError, Verdict


@dataclass(eq=False)
class Task:
    """One job and what has come of it so far."""

    job: Job
    future: Future[Verdict] = field(default_factory=Future)
    lost_on: list[str] = field(default_factory=list)
    """Names of the slots whose judge was lost over it."""
    promised: str | None = None
    """Name of the slot that was told of it; others take it where there is nothing else for them."""


class Tasks:
    """A queue between those who submit and the threads of the slots."""

    def __init__(self, slots: list[str]) -> None:
        self._waiting: list[Task] = []
        self._live = set(slots)
        self._over: JudgeFailedError | None = None
        self._closed = self._cancelled = False
        self._changed = threading.Condition()

    def put(self, task: Task) -> None:
        """Add a task, or put one back whose judge was lost; it fails where nobody will take it."""
        again, task.promised = bool(task.lost_on), None
        with self._changed:
            over = self._over
            if over is None and not self._cancelled and (again or not self._closed):
                kept = [other for other in self._waiting if not _given_up(other)]
                self._waiting = [task, *kept] if again else [*kept, task]
                self._changed.notify_all()
                return
        fail(task, over or JudgeFailedError("the judge was closed"))

    def take(self, slot: str) -> Task | None:
        """Return the next task that `slot` may have, waiting for it; None when there will be no more."""
        with self._changed:
            while True:
                open_to_it = [task for task in self._waiting if self._may(slot, task)]
                if open_to_it:
                    task = next((one for one in open_to_it if one.promised in (None, slot)), open_to_it[0])
                    self._waiting.remove(task)
                    return task
                if self._closed or slot not in self._live:
                    self._live.discard(slot)
                    self._changed.notify_all()
                    return None
                self._changed.wait()

    def coming(self, slot: str, most: int, wait_s: float = 0.0) -> list[Job]:
        """Return up to `most` jobs that `slot` will probably have next, each promised to one slot alone.

        Where there are fewer, some that are submitted in the next `wait_s` seconds are waited for.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._open_to(slot)) >= most, wait_s)
            for task in self._waiting:
                if task.promised not in self._live:
                    task.promised = None
            its = self._open_to(slot)[:most]
            for task in its:
                task.promised = slot
            return [task.job for task in its]

    def _open_to(self, slot: str) -> list[Task]:
        free = (None, slot)
        return [task for task in self._waiting if task.promised in free and self._may(slot, task)]

    def _may(self, slot: str, task: Task) -> bool:
        return slot not in task.lost_on or self._live <= set(task.lost_on)

    def stop(self, slot: str, error: JudgeFailedError) -> bool:
        """Take a slot out; with the last one every task fails with `error`. Tell whether it was the last."""
        with self._changed:
            self._live.discard(slot)
            self._changed.notify_all()
            if self._live:
                return False
            self._over = error
            left, self._waiting = self._waiting, []
        for task in left:
            fail(task, error)
        return True

    def close(self, *, cancel: bool) -> None:
        """Take no more tasks; those that wait are cancelled or left to be done."""
        with self._changed:
            self._closed, self._cancelled = True, cancel
            left, self._waiting = (self._waiting, []) if cancel else ([], self._waiting)
            self._changed.notify_all()
        for task in left:
            if not task.lost_on:
                task.future.cancel()
            else:
                fail(task, JudgeFailedError("the judge was closed"))


def _given_up(task: Task) -> bool:
    """Tell whether somebody has cancelled a task, and let those know who wait for its end."""
    return task.future.cancelled() and not task.future.set_running_or_notify_cancel()


def fail(task: Task, error: JudgeFailedError) -> None:
    """End a task with an error of ours, unless somebody has cancelled it."""
    if task.lost_on or task.future.set_running_or_notify_cancel():
        task.future.set_exception(error)
