"""A thread for each slot, and a queue in front of them all."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from types import TracebackType
from typing import Self

from eval import Job, JudgeFailedError, Verdict
from harness.executors.base import NoSlotError, SlotState
from harness.executors.slot import STRIKES, Slot
from harness.executors.tasks import Task, Tasks

_TRIES = 2
_ANNOUNCED = 5
"""Jobs that a judge is told of beside the one that it judges."""
_STARTING_SECONDS = 0.5
"""A judge takes longer than this to come up, so until then it may be waited for what will be announced."""


def to_stderr(line: str) -> None:
    """Say a line to whoever watches the command."""
    sys.stderr.write(f"{line}\n")


class SlotExecutor:
    """Gives jobs to slots; a context manager.

    A judge that is lost is replaced, and its candidate tried once more, on another slot where there
    is one. A slot that fails three times in a row is stopped; a candidate that is lost on its second
    try too is to blame itself, or its problem is.
    """

    def __init__(self, slots: Sequence[Slot], say: Callable[[str], None] = to_stderr) -> None:
        self._slots, self._say = slots, say
        self.slots = len(slots)
        self._open: set[Future[Verdict]] = set()
        self._tasks = Tasks([slot.name for slot in slots])
        self._threads = [
            threading.Thread(target=self._serve, args=(slot,), name=slot.name, daemon=True) for slot in slots
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job) -> Future[Verdict]:
        """Queue a job. The future raises `JudgeFailedError` where the judge failed, not the candidate.

        With every slot stopped that is a `NoSlotError`.
        """
        task = Task(job)
        self._open.add(task.future)
        task.future.add_done_callback(self._open.discard)
        self._tasks.put(task)
        return task.future

    def states(self) -> tuple[SlotState, ...]:
        """Return what each slot does now."""
        return tuple(slot.state() for slot in self._slots)

    def _serve(self, slot: Slot) -> None:
        while (task := self._tasks.take(slot.name)) is not None:
            if not task.lost_on and not task.future.set_running_or_notify_cancel():
                continue
            try:
                wait_s = _STARTING_SECONDS if slot.start() else 0.0
                verdict = slot.evaluate(task.job, self._tasks.coming(slot.name, _ANNOUNCED, wait_s))
            except JudgeFailedError as error:
                self._failed(slot, task, error)
            except BaseException as error:  # noqa: BLE001 - our own bug goes to its one owner, the caller
                task.future.set_exception(error)
            else:
                task.future.set_result(verdict)

    def _failed(self, slot: Slot, task: Task, error: JudgeFailedError) -> None:
        if not error.lost:
            task.future.set_exception(error)
            return
        slot.strikes += slot.name not in task.lost_on
        task.lost_on.append(slot.name)
        if len(task.lost_on) < _TRIES:
            self._tasks.put(task)
        else:
            for one in self._slots:
                one.forgive(task.lost_on)
            task.future.set_exception(JudgeFailedError(f"{error} (tried {_TRIES} times)"))
        slot.recover()
        if slot.stopped:
            why = f"{slot.name} is stopped after {STRIKES} failures in a row, the last: {error}"
            self._say(why)
            self._tasks.stop(slot.name, NoSlotError(f"no slot is left: {why}"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._tasks.close(cancel=kind is not None)
        if kind is None:
            wait(tuple(self._open))
        for slot in self._slots:
            slot.stop()
        for slot in self._slots:
            slot.close(in_haste=kind is not None)
        for thread in self._threads:
            thread.join()
