"""CUDA events round one call: the runner's own clock, which the judge checks against its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

_NAME_CHARS = 120
_MOST_KERNELS = 64


class Stopwatch:
    """Flushes the L2 in the stream, waits long enough to hide the launches, and times what follows."""

    def __init__(self) -> None:
        torch.cuda.init()
        properties = torch.cuda.get_device_properties(0)
        self._flush = torch.empty(2 * properties.L2_cache_size, dtype=torch.uint8, device="cuda")
        self._start = torch.cuda.Event(enable_timing=True)
        self._end = torch.cuda.Event(enable_timing=True)

    def time(self, work: Callable[[], Any], lead_cycles: int) -> tuple[Any, float]:
        """Run `work` once and return its result with the time between the events in ms.

        `lead_cycles` of spinning stand between the flush and the first event, so that the kernels
        are queued before the clock starts.
        """
        self._flush.zero_()
        if lead_cycles:
            torch.cuda._sleep(lead_cycles)  # noqa: SLF001 - the only spin kernel that torch has
        self._start.record()
        result = work()
        self._end.record()
        torch.cuda.synchronize()
        return result, self._start.elapsed_time(self._end)


def kernel_times(work: Callable[[], Any], repeat: int) -> list[dict[str, Any]]:
    """Device time by kernel over one call in ms, the mean of `repeat` calls, longest first."""
    from torch.profiler import ProfilerActivity, profile

    work()
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        for _ in range(repeat):
            work()
        torch.cuda.synchronize()
    rows = [
        {"name": event.key[:_NAME_CHARS], "ms": event.self_device_time_total / 1000 / repeat}
        for event in profiler.key_averages()
        if event.self_device_time_total > 0
    ]
    return sorted(rows, key=lambda row: -row["ms"])[:_MOST_KERNELS]
