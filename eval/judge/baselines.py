"""Runners for the reference, `torch.compile` of it, and the current code: trusted text, same protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from eval.judge import gpu
from eval.judge.calls import Caller
from eval.judge.correctness import instance_key
from eval.judge.faults import FaultRaised, JudgeError, ProblemRefusedError
from eval.judge.reference import CaseReference, size_case
from eval.judge.regions import DeviceRegion, bytes_needed
from eval.judge.result import flops_of
from eval.judge.runner import Runner
from eval.judge.session_times import SessionTimes
from eval.judge.timing import Contestant
from eval.judge.trial import hidden_paths
from eval.judge.weights import size_of, transfer_bytes
from eval.records import Case, Job, Limits
from eval.tensors import dtype_name

if TYPE_CHECKING:
    from eval.judge.processes import Zygote

_HEAP_FACTOR = 1.05
_STATE_FACTOR = 3
"""Weights, a copy of them, and what a constructor needs meanwhile."""
_BATCH_BYTES = 2e9
_MOST_CALLS = 32
_HEAP_ROOM = 1 << 29
_JUDGE_ROOM = 3 << 30
_LIMITS = Limits(seconds=24 * 3600.0, call_seconds=300.0, host_memory_gb=64.0)


def official_case(job: Job) -> Case:
    """Return the case that a job's size names.

    Raises:
        JudgeError: the problem has no size of that name.

    """
    return size_case(job.problem, job.size)


class Baselines:
    """What is timed beside every candidate of one problem and size, kept warm between candidates."""

    def __init__(self, job: Job, zygote: Zygote, memory_limit_bytes: int | None = None) -> None:
        """Start the baselines; `memory_limit_bytes` makes a large card behave like a smaller one."""
        self._identity = _identity(job)
        self._zygote = zygote
        self.case = CaseReference(job.problem, official_case(job))
        self.signature = self.case.signature()
        self._state_bytes = size_of([e for e in self.case.keeps() if e.kind == "parameter"])
        self.moved_bytes = float(self._moved())
        self.flops = flops_of(self.case)
        self.copy_gb_per_s = gpu.copy_gb_per_s()
        self.floor_ms = self.moved_bytes / (self.copy_gb_per_s * 1e9) * 1e3
        size = self.case.case.name
        dtypes = [dtype_name(spec.dtype) for spec in self.case.inputs if spec.dtype is not None]
        self.hard_limit_ms = gpu.hard_limit_ms(
            job.problem.min_bytes.get(size),
            job.problem.min_flops.get(size),
            [name for name in dtypes if "float" in name],
        )
        self.compile_note: str | None = None
        self.session_times = SessionTimes()
        self._runners: list[Runner] = []
        self._regions: list[DeviceRegion] = []
        self._contestants: list[Contestant] = []
        self._most_regions = self._plan_memory(4 if job.current_code else 3, memory_limit_bytes)
        self.private: dict[tuple[Any, ...], torch.Tensor] = {}
        """The judge's own copies of inputs, one set for all who take turns."""
        try:
            self.candidate_region = self._region()
            if job.timing:
                self._start_all(job)
        except BaseException:
            self.close()
            raise

    def _moved(self) -> int:
        parts = zip(self.signature.shapes, self.signature.dtypes, strict=True)
        outputs = sum(torch.Size(shape).numel() * dtype.itemsize for shape, dtype in parts)
        return bytes_needed(self.case.inputs, 1) + outputs + self._state_bytes

    def _region_bytes(self) -> tuple[int, int]:
        inputs = max(self.most_calls * bytes_needed(self.case.inputs, DeviceRegion.align), 64 << 20)
        heap = int(_HEAP_FACTOR * self.most_calls * self.moved_bytes) + _HEAP_ROOM
        return inputs, heap + _STATE_FACTOR * self._state_bytes

    @property
    def most_calls(self) -> int:
        """How many calls of one timed turn there is room for."""
        if self.case.stateful:
            return 1
        return max(1, min(_MOST_CALLS, int(_BATCH_BYTES / self.moved_bytes)))

    def _plan_memory(self, roles: int, limit_bytes: int | None) -> int:
        """Return how many regions there is room for: one a role, one for all baselines, or one for all.

        Runners take turns, so what they share is never in use twice; but what a runner keeps from one
        turn to the next would be lost, so sharing is for where memory is short.
        """
        each = sum(self._region_bytes())
        fixed = bytes_needed(self.case.inputs, 1) + _STATE_FACTOR * self._state_bytes + _JUDGE_ROOM
        free, total = torch.cuda.mem_get_info()
        free = min(free, limit_bytes) if limit_bytes is not None else free
        for regions in (roles, 2, 1):
            if fixed + regions * each <= free:
                return regions
        raise ProblemRefusedError(
            f"size {self.case.case.name} needs {(fixed + each) / 1e9:.1f} GB of device memory, "
            f"{free / 1e9:.1f} of {total / 1e9:.1f} GB are free: take a smaller --size",
        )

    def _region(self) -> DeviceRegion:
        if len(self._regions) < self._most_regions:
            room = transfer_bytes([self.case], DeviceRegion.align)
            self._regions.append(DeviceRegion(*self._region_bytes(), transfer_bytes=room))
        return self._regions[-1]

    def _start_all(self, job: Job) -> None:
        self._start("eager", self.case.source, "Model", job)
        try:
            self._start("compile", self.case.source, "Model", job, compiled=True)
        except JudgeError as error:
            self.compile_note = str(error)[:500]
        if job.current_code:
            self._start("current", job.current_code, "ModelNew", job)

    def _start(self, role: str, code: str, class_name: str, job: Job, *, compiled: bool = False) -> None:
        region = self._region()
        runner = Runner(self._zygote, region, _LIMITS, hidden=hidden_paths(), cuda=True)
        self._runners.append(runner)
        caller = Caller(job.problem, region, self.private)
        key = instance_key(self.case)
        try:
            runner.load(code, class_name, compiled=compiled, tf32=job.problem.tf32)
            caller.construct(runner, key, self.case)
            caller.checked_call(runner, self.case, self.signature, caller.dense[0], key=key)
        except FaultRaised as raised:
            raise JudgeError(f"{role}: {raised.detail}") from raised
        self._contestants.append(Contestant(role, runner, region, caller, key, trusted=True))

    def contestants(self) -> list[Contestant]:
        """Return the baselines with no samples yet."""
        for contestant in self._contestants:
            contestant.clear()
        return self._contestants

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the times should know."""
        shared = self._most_regions < len(self._contestants) + 1
        return ("device memory is short: runners share it in turn",) if shared else ()

    def fits(self, job: Job) -> bool:
        """Tell whether all runners live and `job` is of the same problem, size and current code."""
        return self._identity == _identity(job) and all(c.runner.alive() for c in self._contestants)

    def close(self) -> None:
        """End the runners and give the memory back."""
        for runner in self._runners:
            runner.kill()
        for region in self._regions:
            region.close()


def _identity(job: Job) -> tuple[object, ...]:
    return job.problem.hash, job.size, job.current_code, job.timing
