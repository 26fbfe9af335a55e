"""Device time by kernel, by torch's profiler, in three steps: only the second needs the GPU to itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.profiler import ProfilerActivity, profile

if TYPE_CHECKING:
    from collections.abc import Callable

_NAME_CHARS = 120
_MOST_KERNELS = 64


class KernelTimes:
    """Opens the profiler, which takes as long as some calls at full size the first time in a process."""

    def __init__(self) -> None:
        self._profiler = profile(activities=[ProfilerActivity.CUDA], acc_events=True)
        self._profiler.start()
        self._calls = 0

    def run(self, work: Callable[[], Any], calls: int) -> None:
        """Call `work` so often, and wait until that is done."""
        for _ in range(calls):
            work()
        torch.cuda.synchronize()
        self._calls += calls

    def rows(self) -> list[dict[str, Any]]:
        """Close the profiler, and return the time over one call in ms, the mean of all, longest first."""
        self._profiler.stop()
        rows = [
            {"name": event.key[:_NAME_CHARS], "ms": event.self_device_time_total / 1000 / self._calls}
            for event in self._profiler.key_averages()
            if self._calls and event.self_device_time_total > 0
        ]
        return sorted(rows, key=lambda row: -row["ms"])[:_MOST_KERNELS]
