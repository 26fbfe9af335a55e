"""What every place that judges has in common, so that a pipeline need not know which it is."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Literal, Protocol, Self

from eval import Job, JudgeFailedError, Verdict
from eval.records import Record

Recheck = Callable[[Job, Verdict, str | None], Verdict]
"""Looks once more at what was judged, on the GPU that `CUDA_VISIBLE_DEVICES` would name so, while no
other candidate is on it; a failure of its own is a `JudgeFailedError`."""
SlotStage = Literal["idle", "judging", "checking", "stopped"]


class SlotState(Record):
    """One slot at one moment."""

    name: str
    """``cpu 0`` or ``GPU 3``."""
    stage: SlotStage
    judged: int = 0
    """Verdicts so far."""
    busy_s: float = 0.0
    """Seconds spent judging so far, what is being judged included."""
    strikes: int = 0
    """Failures of the slot in a row."""


class NoSlotError(JudgeFailedError):
    """Every slot was stopped; nothing more can be judged here."""


class Executor(Protocol):
    """Judges jobs on some slots; a context manager."""

    slots: int
    """How many jobs can be judged at once."""
    device: Literal["cuda", "cpu"]
    gpu_name: str | None
    """Name of the GPUs that judge, all of one; None on a CPU."""

    def submit(self, job: Job) -> Future[Verdict]:
        """Queue a job. The future raises `JudgeFailedError` where the judge failed, not the candidate."""
        ...

    def states(self) -> tuple[SlotState, ...]:
        """Return what each slot does now."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None: ...
