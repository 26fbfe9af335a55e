"""What the judge does for candidates that it has only been told of: compile ahead, keep runners waiting.

A word too many, or one that is not kept, costs time and nothing else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from typing import TYPE_CHECKING

import torch

from eval.dry_launch.compiling import Target
from eval.dry_launch.launcher import compiler_is_here, properties
from eval.dry_launch.records import H100
from eval.judge.ahead import Ahead, job_key, spare_cores
from eval.judge.shapes import has_one_size
from eval.judge.standby import Place, Standby

if TYPE_CHECKING:
    from eval.judge.baselines import Baselines
    from eval.judge.processes import Zygote
    from eval.records import Job


class Lookahead:
    """Belongs to the judge of one GPU."""

    def __init__(self, zygote: Zygote) -> None:
        self._standby = Standby(zygote)
        self._ahead: Ahead | None = None
        self._announced: list[Job] = []
        self._job: Job | None = None
        self._following: list[Job] = []
        self._compiled: dict[str, bytes | None] = {}
        """What was compiled for the job that has come, and for those that began beside it, by key."""

    def announce(self, job: Job) -> None:
        """Take note of a job that may come soon, the soonest first."""
        self._announced.append(job)
        if self._ahead is None and spare_cores() and compiler_is_here():
            self._ahead = Ahead(this_gpu(), spare_cores())
        if self._ahead is not None and self._compiled.get(job_key(job)) is None:
            with contextlib.suppress(OSError):
                self._ahead.announce(job)

    def begin(self, job: Job, begun: Collection[Job] = ()) -> None:
        """Say which job has come; others that were announced and have not `begun` are still to come."""
        self._job = job
        keys = {job_key(one) for one in (job, *begun)}
        self._compiled = {key: data for key, data in self._compiled.items() if key in keys}
        self._following = [one for one in self._announced if one != job and one not in begun]
        self._announced = []

    def next(self, baselines: Baselines) -> Job | None:
        """Return the job that is to come next, where all is ready to begin with it; it follows no more.

        It is timed beside these baselines, its kernels are compiled, and a runner waits or is about to.
        """
        job = next(iter(self._following), None)
        if job is None or not (has_one_size(job) and baselines.fits(job) and self._standby.ready(job.limits)):
            return None
        if self._ahead is not None and self._ahead.compiles(job):
            return None
        return self._following.pop(0)

    def cache(self) -> bytes | None:
        """Return what was compiled for the job that has come, all its sizes at once."""
        return self.compiled(self._job) if self._job is not None else None

    def compiled(self, job: Job) -> bytes | None:
        """Return what was compiled for a job, and wait for it a little the first time."""
        key = job_key(job)
        if key not in self._compiled:
            self._compiled[key] = self._ahead.take(job) if self._ahead is not None else None
        return self._compiled[key]

    def end(self) -> None:
        """Let go of what was made for the job; it has its verdict."""
        if self._job is not None:
            key = job_key(self._job)
            self._compiled.pop(key, None)
            if self._ahead is not None:
                self._ahead.forget(key)
        self._job = None

    def place(self, job: Job, baselines: Baselines) -> Place:
        """Return where to judge `job`: with the runner that waits, or where none does in a fresh one."""
        return self._standby.take(job.limits) or self._standby.free(baselines.candidate_region)

    def prepare(self, baselines: Baselines, *, waiting: int, most: int = 1) -> None:
        """Start up to `most` runners where fewer than `waiting` are there, and as many jobs are to come.

        Those count that are timed beside these baselines. The driver opens CUDA for one after another.
        """
        jobs = self._following[self._standby.count : waiting][:most]
        wanted = [job.limits for job in jobs if baselines.apart and baselines.fits(job)]
        if wanted:
            self._standby.begin(baselines.candidate_region, baselines.spares, wanted)

    def retire(self, place: Place) -> None:
        """Take a place back, and end its runner without waiting until it is gone."""
        self._standby.retire(place)

    def wait_for_the_gpu(self) -> None:
        """Wait until no candidate before has work on the GPU."""
        self._standby.wait_for_the_gpu()

    def wait_for_the_dead(self) -> None:
        """Wait until nothing is left of the candidates before."""
        self._standby.wait_for_the_dead()

    def drop(self) -> None:
        """End the runners that wait; call it before their baselines end."""
        self._standby.drop()

    def close(self) -> None:
        """End everything."""
        try:
            self.drop()
        finally:
            if self._ahead is not None:
                self._ahead.close()


def this_gpu() -> Target:
    """Describe the GPU of this process, for those who compile for it elsewhere."""
    real = torch.cuda.get_device_properties(0)
    told = {name: getattr(real, name) for name in dir(real) if not name.startswith("_")}
    plain = {name: value for name, value in told.items() if isinstance(value, int | str)}
    return Target(capability=10 * real.major + real.minor, properties={**properties(H100), **plain})
