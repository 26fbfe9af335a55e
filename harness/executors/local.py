"""Judges on this machine: one process and one thread for each slot, a slot for each GPU."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Self

from eval import Job, JudgeFailedError, Verdict
from eval.devices import CudaDevice
from harness.executors.base import NoSlotError, SlotState
from harness.executors.slot import STRIKES, Slot
from harness.executors.tasks import Task, Tasks

_TRIES = 2


def to_stderr(line: str) -> None:
    """Say a line to whoever watches the command."""
    sys.stderr.write(f"{line}\n")


class LocalExecutor:
    """Runs up to `slots` jobs at once; each slot keeps its judge between jobs.

    A judge that is lost is replaced, and its candidate tried once more, on another slot where there
    is one. A slot that fails three times in a row is stopped.
    """

    def __init__(
        self, device: str, slots: int = 1, *, gpus: Sequence[CudaDevice] = (),
        say: Callable[[str], None] = to_stderr,
    ) -> None:  # fmt: skip
        """Take `slots` judges on `device`, or one on each of `gpus`; `say` is told of what is stopped."""
        self._slots = [Slot(f"GPU {gpu.index}", device, gpu) for gpu in gpus] or [
            Slot(f"{device} {number}", device) for number in range(slots)
        ]
        self.slots = len(self._slots)
        self._say = say
        self._tasks = Tasks([slot.name for slot in self._slots])
        self._threads = [
            threading.Thread(target=self._serve, args=(slot,), name=slot.name, daemon=True)
            for slot in self._slots
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job) -> Future[Verdict]:
        """Queue a job. The future raises `JudgeFailedError` where the judge failed, not the candidate.

        With every slot stopped that is a `NoSlotError`.
        """
        task = Task(job)
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
                verdict = slot.evaluate(task.job)
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
            task.future.set_exception(JudgeFailedError(f"{error} (tried {_TRIES} times)"))
        slot.recover()
        if slot.stopped:
            self._stop(slot, error)

    def _stop(self, slot: Slot, error: JudgeFailedError) -> None:
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
            for thread in self._threads:
                thread.join()
        for slot in self._slots:
            slot.judge.stop()
        for slot in self._slots:
            slot.judge.__exit__(kind, value, tb)
        for thread in self._threads:
            thread.join()
