"""Runners for the reference, `torch.compile` of it, and the current code: trusted text, same protocol."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import torch

from eval.cuda.driver import CudaDriverError
from eval.judge import ceilings, gpu, memory_plan
from eval.judge.calls import Caller
from eval.judge.contestant import Contestant
from eval.judge.correctness import instance_key
from eval.judge.faults import BaselineFailedError, FaultRaised, JudgeError, ProblemRefusedError
from eval.judge.floor import floor_of, product_kind
from eval.judge.null_turns import NullTurns
from eval.judge.reference import CaseReference, size_case
from eval.judge.regions import DeviceRegion
from eval.judge.result import flops_of
from eval.judge.runner import Runner
from eval.judge.session_times import SessionTimes
from eval.judge.weights import transfer_bytes
from eval.records import Case, Job, Limits
from eval.tensors import dtype_name

if TYPE_CHECKING:
    from eval.judge.processes import Zygote

_NOTE_CHARS = 500
_MOST_SPARES = 5
_LIMITS = Limits(seconds=24 * 3600.0, call_seconds=300.0, host_memory_gb=64.0)


def official_case(job: Job) -> Case:
    """Return the case that a job's size names.

    Raises:
        JudgeError: the problem has no size of that name.

    """
    return size_case(job.problem, job.size)


class Baselines:
    """What is timed beside every candidate of one problem and size, kept warm between candidates."""

    def __init__(
        self,
        job: Job,
        zygote: Zygote,
        memory_limit_bytes: int | None = None,
        *,
        spares: bool = True,
    ) -> None:
        """Start the baselines.

        `memory_limit_bytes` is how much of a card may be in use, so that a large one stands for a smaller
        one: the judge, all runners and whatever else is on it. With `spares` there are up to five
        regions more, in which runners can wait for the candidates to come.

        Raises:
            ProblemRefusedError: the card has not enough memory.
            JudgeError: the reference or the current code does not run.

        """
        self._identity = _identity(job)
        self._zygote = zygote
        self.case = CaseReference(job.problem, official_case(job))
        self.signature = self.case.signature()
        self._needs = memory_plan.needs_of(job.problem, self.case, runners=4 if job.current_code else 3)
        self.moved_bytes = float(self._needs.moved_bytes)
        size = self.case.case.name
        dtypes = [dtype_name(spec.dtype) for spec in self.case.inputs if spec.dtype is not None]
        self.floor_bytes = job.problem.min_bytes.get(size, self.moved_bytes)
        """What the floor counts: what the problem declares, else inputs and outputs."""
        self.flops = job.problem.min_flops.get(size) or flops_of(self.case)
        kind = product_kind(dtypes, tf32=job.problem.tf32)
        self.floor = floor_of(self.floor_bytes, self.flops, kind, ceilings.here())
        self.hard_limit_ms = gpu.hard_limit_ms(
            job.problem.min_bytes.get(size),
            job.problem.min_flops.get(size),
            [name for name in dtypes if "float" in name],
        )
        self.compile_note: str | None = None
        self.session_times = SessionTimes()
        self.nulls = NullTurns()
        self.conditions: dict[str, Any] = {}
        """What the driver said after the last session."""
        self._runners: list[Runner] = []
        self._contestants: list[Contestant] = []
        self._plan, left_bytes = self._plan_memory(memory_limit_bytes)
        count = self._plan.regions if job.timing else 1
        shared = job.timing and self._plan.regions == 1
        self._regions = self._dealt(count, _MOST_SPARES if spares else 0, left_bytes)
        self.candidate_region = self._regions[0]
        for region in self._regions:
            region.shared = shared
        self.spares = self._regions[count:]
        """Regions like the others, for runners that wait; none where there is no room."""
        self.private: dict[tuple[Any, ...], torch.Tensor] = {}
        """The judge's own copies of inputs, one set for all who take turns."""
        try:
            if job.timing:
                self._start_all(job)
        except BaseException:
            self.close()
            raise

    @property
    def most_calls(self) -> int:
        """How many calls of one timed turn there is room for."""
        return self._needs.calls

    def _plan_memory(self, limit_bytes: int | None) -> tuple[memory_plan.Plan, int]:
        """Return who gets how much of what is free, and how many bytes of it nobody does.

        Raises:
            ProblemRefusedError: it is not enough; the message says how much would be.

        """
        torch.cuda.empty_cache()
        free, total = torch.cuda.mem_get_info()
        there = free if limit_bytes is None else min(free, limit_bytes - (total - free))
        plan = memory_plan.fitting(self._needs, there)
        if plan is not None:
            return plan, there - plan.needed_bytes
        wanted = memory_plan.least(self._needs).needed_bytes
        raise ProblemRefusedError(
            f"size {self.case.case.name} needs {wanted / 1e9:.1f} GB of device memory, {there / 1e9:.1f} of "
            f"{total / 1e9:.1f} GB are free: take a smaller --size",
        )

    def _dealt(self, count: int, most_spares: int, left_bytes: int) -> list[DeviceRegion]:
        """Make `count` regions at once, so that they lie alike, and spares where what is left allows it."""
        plan, room = self._plan, transfer_bytes([self.case], DeviceRegion.align)
        total = torch.cuda.mem_get_info()[1]
        region_bytes = plan.input_bytes + plan.heap_bytes + room
        for more in range(memory_plan.room_for(most_spares, region_bytes, left_bytes, total), 0, -1):
            with suppress(CudaDriverError):
                return DeviceRegion.deal(count + more, plan.input_bytes, plan.heap_bytes, transfer_bytes=room)
        return DeviceRegion.deal(count, plan.input_bytes, plan.heap_bytes, transfer_bytes=room)

    def _start_all(self, job: Job) -> None:
        self._start("eager", self.case.source, "Model", job)
        try:
            self._start("compile", self.case.source, "Model", job, compiled=True)
        except JudgeError as error:
            self.compile_note = str(error)[:_NOTE_CHARS]
        if job.current_code:
            self._start("current", job.current_code, "ModelNew", job)

    def _start(self, role: str, code: str, class_name: str, job: Job, *, compiled: bool = False) -> None:
        region = self._regions[min(len(self._runners) + 1, self._plan.regions - 1)]
        runner = Runner(self._zygote, region, _LIMITS, cuda=True)
        self._runners.append(runner)
        caller = Caller(job.problem, region, self.private)
        key = instance_key(self.case)
        try:
            runner.load(code, class_name, compiled=compiled, tf32=job.problem.tf32)
            caller.construct(runner, key, self.case)
            caller.checked_call(runner, self.case, self.signature, caller.dense[0], key=key)
        except FaultRaised as raised:
            runner.kill()
            raise JudgeError(f"{role}: {raised.detail}") from raised
        self._contestants.append(Contestant(role, runner, region, caller, key, trusted=True))

    def contestants(self) -> list[Contestant]:
        """Return the baselines with no samples yet."""
        for contestant in self._contestants:
            contestant.clear()
        return self._contestants

    def without(self, failure: BaselineFailedError) -> list[Contestant]:
        """Give up `torch.compile` of the reference, and return those that are left, with no samples yet.

        Raises:
            BaselineFailedError: it was another baseline that failed; there is no doing without that.

        """
        if failure.role != "compile":
            raise failure
        self.compile_note, self.session_times = str(failure)[:_NOTE_CHARS], SessionTimes()
        for contestant in self._contestants:
            if contestant.role == failure.role:
                contestant.runner.kill()
        self._contestants = [one for one in self._contestants if one.role != failure.role]
        return self.contestants()

    @property
    def apart(self) -> bool:
        """Tell whether candidates have a region that no baseline lives in."""
        return all(one.region is not self.candidate_region for one in self._contestants)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the times should know."""
        shared = self._plan.regions < len(self._contestants) + 1
        short = ("device memory is short: runners share it in turn",) if shared else ()
        floor = (
            self.floor.note if self.floor is not None else "nothing is known of this GPU: there is no floor"
        )
        return (*short, floor) if floor is not None else short

    def fits(self, job: Job) -> bool:
        """Tell whether all runners live and `job` is of the same problem, size and current code."""
        return self._identity == _identity(job) and all(c.runner.alive() for c in self._contestants)

    def close(self) -> None:
        """End the runners and give the memory back."""
        for runner in self._runners:
            runner.kill()
        self.private.clear()
        for region in self._regions:
            region.close()


def _identity(job: Job) -> tuple[object, ...]:
    return job.problem.hash, job.size, job.current_code, job.timing
