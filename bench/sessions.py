"""Timing sessions of chosen code, run as the judge runs them; the other scripts here use it."""

from __future__ import annotations

import torch

from eval.judge.baselines import Baselines
from eval.judge.calls import Caller
from eval.judge.contestant import Contestant
from eval.judge.correctness import instance_key
from eval.judge.processes import Zygote
from eval.judge.regions import DeviceRegion, bytes_needed
from eval.judge.result import build_timing
from eval.judge.runner import Runner
from eval.judge.timing import TimingSession
from eval.judge.told import UntrustedDetails
from eval.records import Job, Limits, Timing

FOR_LONG = Limits(seconds=3600)
HEAP_ROOM = 1 << 29


class Ring:
    """Contestants of one job; each has device memory of its own, dealt among all as the judge does it."""

    def __init__(self, job: Job, zygote: Zygote, places: int, shifted: int = 0) -> None:
        """Make room for `places` contestants, and have as many threads as the judge has.

        The first one gets the place number `shifted`, those that follow the next ones.
        """
        torch.set_num_threads(1)
        self.job, self._zygote = job, zygote
        alone = job.model_copy(update={"timing": False, "current_code": None})
        self.baselines = Baselines(alone, zygote, spares=False)
        lines = self.baselines
        inputs = lines.most_calls * bytes_needed(lines.case.inputs, DeviceRegion.align)
        heap = int(1.05 * lines.most_calls * lines.moved_bytes) + HEAP_ROOM
        regions = DeviceRegion.deal(places, max(inputs, 64 << 20), heap)
        self._regions = [regions[(shifted + number) % places] for number in range(places)]
        self.contestants: list[Contestant] = []

    def add(
        self,
        role: str,
        code: str,
        class_name: str = "ModelNew",
        *,
        trusted: bool = True,
        checked: bool = True,
    ) -> Contestant:
        """Start a runner for `code` and check one of its answers.

        What is trusted and not `checked` may answer wrongly, in the right form: only its time is looked at.
        """
        lines, case = self.baselines, self.baselines.case
        region = self._regions[len(self.contestants)]
        region.poison([])
        runner = Runner(self._zygote, region, FOR_LONG, cuda=True)
        caller, key = Caller(self.job.problem, region, lines.private), instance_key(case)
        runner.load(code, class_name)
        caller.construct(runner, key, case)
        if checked or not trusted:
            caller.checked_call(runner, case, lines.signature, caller.dense[0], key=key)
        self.contestants.append(Contestant(role, runner, region, caller, key, trusted=trusted))
        return self.contestants[-1]

    def time(self, seconds: float) -> Timing:
        """Run one session of all contestants; the first added is the candidate, another is `eager`."""
        candidate, *others = self.contestants
        for contestant in self.contestants:
            contestant.clear()
        against = next((each for each in others if each.role == "current"), others[0])
        lines = self.baselines
        session = TimingSession(lines.case, lines.signature, self.contestants, lines.nulls)
        session.run(candidate, against, seconds, lines.most_calls)
        return build_timing(self.job, lines, session, candidate, others, ({}, {}))

    def profiled(self) -> float | None:
        """Device time of one call of the candidate by torch's profiler (CUPTI), in ms, caches as they are."""
        candidate, lines = self.contestants[0], self.baselines
        told = UntrustedDetails(candidate.runner)
        told.begin_profile(candidate.caller, lines.case, candidate.key)
        told.end_profile()
        kernels = told.fields(()).get("kernels")
        return sum(kernel.ms for kernel in kernels) if kernels else None

    def close(self) -> None:
        """End the runners and give the memory back."""
        for contestant in self.contestants:
            contestant.runner.kill()
        for region in self._regions:
            region.close()
        self.baselines.close()
