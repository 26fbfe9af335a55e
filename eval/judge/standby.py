"""Runners that wait for the next candidates while this one is judged: forked, inside their walls, CUDA open.

Some may still be on their way there. They have loaded nothing and know of no candidate. Each lives in
memory of its own, one of the baselines' spares, so they are there only where the card has room for those; the
regions then take turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import torch

from eval.cuda.driver import CudaDriverError
from eval.judge.dying import Dying
from eval.judge.faults import BrokenJudgeError, FaultRaised, JudgeError
from eval.judge.regions import DeviceRegion, Region
from eval.judge.runner import Runner

if TYPE_CHECKING:
    from eval.judge.processes import Zygote
    from eval.records import Limits

R = TypeVar("R", bound=Region)


class Place(NamedTuple):
    """Where a candidate runs: memory, and the process that waits in it, where there is one."""

    region: Region
    runner: Runner | None


class _Waiting(NamedTuple):
    """A runner, the limits that it was made under, and its memory."""

    runner: Runner
    limits: Limits
    region: DeviceRegion


class Standby:
    """The runners that wait, the soonest wanted first."""

    def __init__(self, zygote: Zygote) -> None:
        self._zygote, self._dying = zygote, Dying(zygote)
        self._waiting: list[_Waiting] = []
        self._in_use: list[Region] = []
        """Where candidates are."""

    @property
    def count(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def retire(self, place: Place) -> None:
        """Take back a candidate's place, and end its runner.

        The system takes that apart, CUDA and all, while the next one begins.
        """
        self._in_use = [used for used in self._in_use if used is not place.region]
        if place.runner is not None:
            self._dying.end(place.runner, place.region)

    def begin(self, home: DeviceRegion, spares: Sequence[DeviceRegion], wanted: Sequence[Limits]) -> None:
        """Fork a runner for a candidate with each of these limits, and do not wait for them.

        They get `home`, which candidates have had before, and `spares`, as far as those are not in use. Where
        nobody waits and those that were ended have the last of them, the first of those is waited for.
        """
        self._dying.let_go()
        free = self._unused([home, *spares])
        if not (free or self._waiting) and self._dying.regions:
            self._dying.wait(len(self._dying.regions) - 1)
            free = self._unused([home, *spares])
        for limits, region, cleared in [(*one, _cleared(one[1])) for one in zip(wanted, free, strict=False)]:
            cleared.synchronize()  # while others are, the first is forked
            with suppress(BrokenJudgeError, CudaDriverError, OSError):
                runner = Runner(self._zygote, region, limits, cuda=True, wait=False)
                self._waiting.append(_Waiting(runner, limits, region))

    def _unused(self, regions: Sequence[R]) -> list[R]:
        taken = [*self._in_use, *(one.region for one in self._waiting), *self._dying.regions]
        return [one for one in regions if all(one is not used for used in taken)]

    def free(self, home: DeviceRegion) -> Place:
        """Return `home`, for a runner that is started in it at once; whoever waits there is ended.

        Raises:
            JudgeError: a candidate is in it.

        """
        if any(home is used for used in self._in_use):
            raise JudgeError("the runner that waited is gone, and there is no other memory")
        for one in [one for one in self._waiting if one.region is home]:
            one.runner.kill()
            self._waiting.remove(one)
        self._in_use.append(home)
        return Place(home, None)

    def ready(self, limits: Limits) -> bool:
        """Tell whether one waits, or is about to, under these limits."""
        if not self._waiting:
            return False
        runner, held, _ = self._waiting[0]
        return held == limits and runner.alive()

    def wait_for_the_gpu(self) -> None:
        """Wait until nobody who was ended has work on the GPU.

        Raises:
            BrokenJudgeError: as `wait_for_the_dead`.

        """
        self._dying.wait_for_the_gpu()

    def wait_for_the_dead(self) -> None:
        """Wait until nothing is left of those that were ended, so that they touch nothing that is timed.

        Those that wait may still be opening CUDA. They know of no candidate, and times do not show it
        (docs/timing.md).

        Raises:
            BrokenJudgeError: one cannot be ended.

        """
        self._dying.wait()

    def take(self, limits: Limits) -> Place | None:
        """Return the runner that waits for this candidate, whose time begins now; None where there is none.

        That is so too where the next one was made under other limits.
        """
        if self._waiting:
            runner, held, region = self._waiting.pop(0)
            self._in_use.append(region)
            usable = False
            try:
                usable = _entered(runner) and held == limits and runner.alive()
            finally:
                if not usable:
                    self._in_use = [used for used in self._in_use if used is not region]
                    runner.kill()
            if usable:
                return Place(region, runner)
        self._dying.wait()
        return None

    def drop(self) -> None:
        """End the runners.

        Raises:
            BrokenJudgeError: one cannot be ended; the others were.

        """
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.runner.kill()
        self._dying.wait()


def _cleared(region: Region) -> torch.cuda.Event:
    """Have a region overwritten, and return what tells when that is done."""
    region.clear()
    event = torch.cuda.Event()
    event.record()
    return event


def _entered(runner: Runner) -> bool:
    """Wait until a runner is inside its walls, and tell whether it got there."""
    try:
        runner.enter()
    except BrokenJudgeError:
        return False
    return True


def seed(runner: Runner, region: Region, cache: bytes | None) -> int:
    """Put what was compiled ahead into a runner's own cache, before it loads code; returns its keys.

    A runner that dies of this says so when it is asked to load.
    """
    if not cache or len(cache) > region.split:
        return 0
    region.base[: len(cache)].copy_(torch.frombuffer(bytearray(cache), dtype=torch.uint8))
    if region.base.is_cuda:
        torch.cuda.synchronize()
    try:
        keys = runner.ask_plain({"op": "cache", "size": len(cache)}).get("keys")
    except FaultRaised:
        return 0
    return keys if type(keys) is int else 0
