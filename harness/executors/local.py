"""Judges on this machine, one process for each slot."""

from __future__ import annotations

import queue
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from eval import Job, Judge, JudgeFailedError, Verdict


class LocalExecutor:
    """Runs up to `slots` jobs at once on one device; each slot keeps its judge between jobs."""

    def __init__(self, device: str, slots: int = 1) -> None:
        self.slots = slots
        self._judges = [Judge(device) for _ in range(slots)]
        self._idle: queue.SimpleQueue[Judge] = queue.SimpleQueue()
        for judge in self._judges:
            self._idle.put(judge)
        self._threads = ThreadPoolExecutor(slots)

    def submit(self, job: Job) -> Future[Verdict]:
        """Queue a job. The future raises `JudgeFailedError` where the judge failed, not the candidate."""
        return self._threads.submit(self._judge, job)

    def _judge(self, job: Job) -> Verdict:
        judge = self._idle.get()
        try:
            return judge.evaluate(job)
        except OSError as error:
            raise JudgeFailedError(f"the judge process is gone: {error}") from error
        finally:
            self._idle.put(judge)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=kind is None, cancel_futures=True)
        for judge in self._judges:
            judge.stop()
        for judge in self._judges:
            judge.__exit__(kind, value, tb)
        self._threads.shutdown(wait=True)
