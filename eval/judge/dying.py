"""Runners that were ended: nothing of theirs runs, and the system takes their processes apart meanwhile.

For a process with CUDA that takes a tenth of a second and more, for one without a hundredth.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from eval.judge.faults import BrokenJudgeError
from eval.judge.quiet import is_quiet

if TYPE_CHECKING:
    from eval.judge.processes import Zygote
    from eval.judge.regions import Region
    from eval.judge.runner import Runner

_MOST = 3
"""At once: each still has a context on the GPU."""
_BETWEEN_LOOKS_SECONDS = 0.002
_PATIENCE_SECONDS = 1.0
"""How long it is looked whether the GPU is idle; then it is waited until they are gone."""


class _Ended(NamedTuple):
    runner: Runner
    region: Region


class Dying:
    """Those that are not known to be gone, the first that was ended first."""

    def __init__(self, zygote: Zygote) -> None:
        self._zygote = zygote
        self._ended: list[_Ended] = []

    @property
    def regions(self) -> list[Region]:
        """Memory that is still theirs."""
        return [one.region for one in self._ended]

    def end(self, runner: Runner, region: Region) -> None:
        """End a runner, and wait for the first of those before it where there are too many.

        Raises:
            BrokenJudgeError: as `wait`.

        """
        self._ended.append(_Ended(runner, region))
        runner.end()
        self.let_go()
        self.wait(_MOST)

    def let_go(self) -> None:
        """Forget those that are gone by now.

        Raises:
            BrokenJudgeError: as `wait`.

        """
        for one in list(self._ended):
            if one.runner.gone():
                self._collect(one)

    def wait(self, most: int = 0) -> None:
        """Wait until at most so many are not gone yet.

        Raises:
            BrokenJudgeError: a runner cannot be ended, one of these or another, and would disturb those that
                follow.

        """
        while len(self._ended) > most:
            self._collect(self._ended[0])
        self._require_health()

    def wait_for_the_gpu(self) -> None:
        """Wait until none of them has work on the GPU: all are gone, or it is seen to be idle.

        Raises:
            BrokenJudgeError: as `wait`.

        """
        deadline = time.monotonic() + _PATIENCE_SECONDS
        self.let_go()
        while self._ended and not is_quiet():
            time.sleep(_BETWEEN_LOOKS_SECONDS)
            if time.monotonic() > deadline:
                self.wait()
            self.let_go()
        self._require_health()

    def _collect(self, one: _Ended) -> None:
        self._ended.remove(one)
        one.runner.collect()
        self._require_health()

    def _require_health(self) -> None:
        if not self._zygote.healthy:
            raise BrokenJudgeError("a runner before this one could not be ended")
