"""Judges for those who must not wait for ever: a batch of questions and a time, an outcome of each."""

from __future__ import annotations

import queue
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as LateError
from types import TracebackType
from typing import Literal, Protocol, Self

from eval import JudgeFailedError, Limits, Verdict
from eval.client import resolve_device
from harness.adapters.asking import Outcome
from harness.adapters.library import Library
from harness.errors import EnvironmentFailure
from harness.executors import JudgePool, LocalExecutor
from harness.jobs import JobSettings
from harness.judge_server.desk import Desk
from harness.judge_server.records import Question

TIMEOUT_S = 900.0
"""Seconds that a batch may take unless its asker says otherwise."""


class Judges(Protocol):
    """A place that judges: in this process or at a URL. Use it in a ``with`` block; threads may share it."""

    def ask(self, questions: Sequence[Question], timeout_s: float = TIMEOUT_S) -> list[Outcome]:
        """Return an outcome of each, in order, within about `timeout_s` seconds whatever happens.

        What is late, lost or refused is an outcome without a verdict. Raises `UsageError` for a question
        that cannot be asked at all: an unknown problem, stage, GPU or size.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None: ...


class LocalJudges:
    """Judges on this machine, started with the first question."""

    def __init__(
        self, library: Library | None = None, *, device: str = "auto", slots: int = 1, waiting: int = 256,
        limits: Limits | None = None,
    ) -> None:  # fmt: skip
        """Raise `EnvironmentFailure` where the device is not here; on a GPU there is one slot."""
        try:
            on_gpu = resolve_device(device) == "cuda"
        except JudgeFailedError as error:
            raise EnvironmentFailure(str(error)) from error
        self.device: Literal["cuda", "cpu"] = "cuda" if on_gpu else "cpu"
        settings = JobSettings(device=self.device, limits=limits or Limits())
        self._desk = Desk(settings, (library or Library()).added)
        self._pool = JudgePool(LocalExecutor(self.device, 1 if on_gpu else slots), waiting)

    def ask(self, questions: Sequence[Question], timeout_s: float = TIMEOUT_S) -> list[Outcome]:
        """Return an outcome of each; see `Judges`."""
        until = time.monotonic() + timeout_s
        begun = [self._begin(question, until) for question in questions]
        return [one if isinstance(one, Outcome) else _end(one, until) for one in begun]

    def _begin(self, question: Question, until: float) -> Future[Verdict] | Outcome:
        prepared = self._desk.prepare(question)
        if prepared.job is None:
            return Outcome(verdict=prepared.verdict)
        try:
            return self._pool.submit(prepared.job, timeout_s=max(until - time.monotonic(), 0.0))
        except queue.Full:
            return Outcome(error="the queue stayed full until the time was over")

    def __enter__(self) -> Self:
        self._pool.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        # Whoever asked has gone: what is still being judged is nobody's any more.
        self._pool.__exit__(kind or CancelledError, value, tb)


def _end(future: Future[Verdict], until: float) -> Outcome:
    try:
        return Outcome(verdict=future.result(max(until - time.monotonic(), 0.0)))
    except LateError:
        future.cancel()
        return Outcome(error="not judged in time")
    except (JudgeFailedError, CancelledError) as error:
        return Outcome(error=str(error) or "the judge was closed")
