"""How the tuner times a configuration: in a few calls, each behind a swept cache, as calls that count are.

Triton's own benchmark calls six times before it begins and then for 25 and 100 ms, so that a kernel of some
milliseconds was called a dozen times for each configuration, however little time it was given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import quantiles as parted
from typing import Any

_ENOUGH_MS, _LEAST_CALLS, _MOST_CALLS = 10.0, 4, 40
_PERCENT = 100


def times_ms(call: Callable[[], Any], quantiles: Sequence[float]) -> list[float]:
    """Return the time of a call in ms at each of `quantiles`, from 0 to 1, as Triton asks for it."""
    from triton import runtime

    driver = runtime.driver.active
    device, cache = driver.get_device_interface(), driver.get_empty_cache_for_benchmark()
    call()

    def queued() -> tuple[Any, Any]:
        pair = device.Event(enable_timing=True), device.Event(enable_timing=True)
        driver.clear_cache(cache)
        pair[0].record()
        call()
        pair[1].record()
        return pair

    def measured(pairs: Sequence[tuple[Any, Any]]) -> list[float]:
        device.synchronize()
        return [start.elapsed_time(end) for start, end in pairs]

    (first_ms,) = measured([queued()])
    count = int(_ENOUGH_MS / max(first_ms, _ENOUGH_MS / _MOST_CALLS))
    return at(measured([queued() for _ in range(max(_LEAST_CALLS, count))]), quantiles)


def at(values: Sequence[float], places: Sequence[float]) -> list[float]:
    """Return the quantiles of `values` at `places` between 0.01 and 0.99, between two by their distance."""
    percentiles = parted(values, n=_PERCENT, method="inclusive")
    return [percentiles[round(_PERCENT * place) - 1] for place in places]
