"""A runner that waits for the next candidate while this one is judged: forked, inside its walls, CUDA open.

It has loaded nothing and knows of no candidate. It lives in memory of its own, so it is there only where the
card has room for one region more; two regions then take turns. The second one is the baselines' spare. Where
they had none, because no other candidate was announced when they began, it is made when it is wanted: its
pieces are then not mixed with those of the other regions, and its memory may be a little slower or faster.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import torch

from eval.cuda.driver import CudaDriverError
from eval.judge.faults import BrokenJudgeError, FaultRaised
from eval.judge.memory_plan import room_for_another
from eval.judge.regions import DeviceRegion, Region
from eval.judge.runner import Runner

if TYPE_CHECKING:
    from eval.judge.processes import Zygote
    from eval.records import Limits


class Place(NamedTuple):
    """Where a candidate runs: memory, and the process that waits in it, where there is one."""

    region: Region
    runner: Runner | None


class Standby:
    """At most one waiting runner, and the second region where the baselines have no spare."""

    def __init__(self, zygote: Zygote) -> None:
        self._zygote = zygote
        self._second: DeviceRegion | None = None
        self._waiting: Runner | None = None
        self._place: tuple[Region, Limits] | None = None
        self._dying: Runner | None = None

    def retire(self, runner: Runner) -> None:
        """End a runner; the system takes it apart, CUDA and all, while the next one begins."""
        runner.end()
        self._collect()
        self._dying = runner

    def _collect(self) -> None:
        """Wait until nothing is left of the runner that was retired.

        Raises:
            BrokenJudgeError: it cannot be ended, and would disturb those that follow.

        """
        dying, self._dying = self._dying, None
        if dying is None:
            return
        dying.collect()
        if not self._zygote.healthy:
            raise BrokenJudgeError("the runner before this one could not be ended")

    def begin(self, home: DeviceRegion, spare: DeviceRegion | None, in_use: Region, limits: Limits) -> None:
        """Fork a runner for a candidate with these limits, and do not wait for it.

        It gets `home`, which candidates have had before, or where that is in use `spare`, or where there
        is none a region like it.
        """
        if self._waiting is not None:
            return
        region = home if in_use is not home else spare or self._other(home)
        if region is None:
            return
        self._collect()
        region.clear()
        torch.cuda.synchronize()
        self._place = region, limits
        with suppress(BrokenJudgeError, CudaDriverError):
            self._waiting = Runner(self._zygote, region, limits, cuda=True, wait=False)

    def _other(self, home: DeviceRegion) -> DeviceRegion | None:
        free, total = torch.cuda.mem_get_info()
        if self._second is None and room_for_another(home.size_bytes, free, total):
            try:
                self._second = home.twin()
            except CudaDriverError:
                return None
        return self._second

    def settle(self) -> None:
        """Wait until it is ready, and the one before is gone: nothing but what is timed is then at work."""
        self._collect()
        self._entered()

    def _entered(self) -> Runner | None:
        if self._waiting is not None:
            try:
                self._waiting.enter()
            except BrokenJudgeError:
                self._waiting = None
        return self._waiting

    def take(self, limits: Limits) -> Place | None:
        """Return the waiting runner, whose time begins now; None where none waits under these limits."""
        runner, self._waiting = self._entered(), None
        if runner is not None and self._place is not None:
            region, held = self._place
            if held == limits and runner.alive():
                return Place(region, runner)
            runner.kill()
        self._collect()
        return None

    def drop(self) -> None:
        """End the runner, and give back the second region if it was made here."""
        if self._dying is not None:
            self._dying.collect()
            self._dying = None
        if self._waiting is not None:
            self._waiting.kill()
            self._waiting = None
        if self._second is not None:
            self._second.close()
            self._second = None


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
