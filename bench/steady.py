"""What a pipeline does once it is under way: seconds and candidates a minute, and how busy the GPUs are."""

from __future__ import annotations

import statistics
import threading
import time
from importlib.util import find_spec
from itertools import pairwise
from typing import Self

from eval.devices import cuda_devices


def steady(done: list[float]) -> dict[str, float]:
    """Seconds between one verdict and the next, those that came together counted apart."""
    gaps = sorted(after - before for before, after in pairwise(done)) or [done[0]]
    mean = (done[-1] - done[0]) / max(1, len(done) - 1)
    last = min(len(gaps) - 1, round(0.95 * len(gaps)))
    return {"median": statistics.median(gaps), "mean": mean, "percentile_95": gaps[last]}


def window(done: list[float], slots: int) -> range:
    """Verdicts while all slots are at work: from two a slot until the list runs dry; none of a short list."""
    first, last = 2 * slots - 1, len(done) - slots
    return range(first, last + 1) if last > first else range(0)


def rate(done: list[float], within: range) -> dict[str, float] | None:
    """Candidates a minute in that window; None where there is none."""
    if not within:
        return None
    seconds = done[within[-1]] - done[within[0]]
    return {"seconds": seconds, "per_minute": 60 * (len(within) - 1) / seconds}


class Busy:
    """Samples how often the GPUs run kernels, by NVML; knows nothing where there is none."""

    def __enter__(self) -> Self:
        self._samples: list[tuple[float, list[int]]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        if find_spec("pynvml") is None or not cuda_devices():
            return
        import pynvml

        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByUUID(device.selector) for device in cuda_devices()]
        while not self._over.wait(0.1):
            rates = [pynvml.nvmlDeviceGetUtilizationRates(handle).gpu for handle in handles]
            self._samples.append((time.perf_counter(), rates))

    def share(self, start: float, end: float) -> float | None:
        """Return the mean between two times (`time.perf_counter`) of the GPUs that were used, 0 to 1."""
        rates = [rates for at, rates in self._samples if start <= at <= end]
        used = [statistics.fmean(gpu) / 100 for gpu in zip(*rates, strict=True) if any(gpu)]
        return statistics.fmean(used) if used else None
