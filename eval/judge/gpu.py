"""Facts about the GPU that judges: identity, clocks, limits and what its memory really gives."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from eval.judge.peak import flops_a_second

_COPY_BYTES = 1 << 30
_COPY_CALLS = 20
_HARD_MARGIN = 0.95
_BENIGN_REASONS = 0x1 | 0x2 | 0x4
"""NVML's clock-event reasons that slow nothing unexpectedly: idle, application clocks, power cap."""


def identity() -> dict[str, Any]:
    """Name, UUID and driver of device 0, for the verdict's environment."""
    properties = torch.cuda.get_device_properties(0)
    return {
        "gpu": properties.name,
        "gpu_uuid": str(getattr(properties, "uuid", "")) or None,
        "driver": _driver(),
    }


def _nvml() -> Any | None:
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


def _handle(nvml: Any) -> Any:
    uuid = "GPU-" + str(torch.cuda.get_device_properties(0).uuid)
    try:
        return nvml.nvmlDeviceGetHandleByUUID(uuid)
    except nvml.NVMLError:
        return nvml.nvmlDeviceGetHandleByIndex(0)


def _driver() -> str | None:
    nvml = _nvml()
    return None if nvml is None else str(nvml.nvmlSystemGetDriverVersion())


def clocks() -> dict[str, Any]:
    """SM and memory clock in MHz, temperature in °C, throttle reasons; empty without NVML."""
    nvml = _nvml()
    if nvml is None:
        return {}
    handle = _handle(nvml)
    reasons = int(nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle))
    return {
        "sm_mhz": nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM),
        "memory_mhz": nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM),
        "temperature_c": nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU),
        "throttle_reasons": reasons,
        "throttled": bool(reasons & ~_BENIGN_REASONS),
    }


def copy_gb_per_s() -> float:
    """Bandwidth of a plain copy on this GPU: bytes read plus bytes written, the best of 20 calls."""
    source = torch.empty(_COPY_BYTES, dtype=torch.uint8, device="cuda").random_()
    target = torch.empty_like(source)
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    times: list[float] = []
    for _ in range(_COPY_CALLS):
        torch.cuda._sleep(200_000)  # noqa: SLF001 - hides the launch
        start.record()
        target.copy_(source)
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end))
    return 2 * _COPY_BYTES / (min(times) * 1e-3) / 1e9


def pin_gb_per_s() -> float | None:
    """Return what the memory's pins can carry, by the device's own properties; None where they do not say."""
    properties = torch.cuda.get_device_properties(0)
    clock_khz = getattr(properties, "memory_clock_rate", 0)
    bus_bits = getattr(properties, "memory_bus_width", 0)
    return 2 * clock_khz * 1e3 * bus_bits / 8 / 1e9 if clock_khz and bus_bits else None


def hard_limit_ms(
    min_bytes: float | None, min_flops: float | None = None, dtypes: Iterable[str] = ()
) -> float | None:
    """Return the time that physics forbids to beat, in ms, with 5 % margin: the later of two.

    Bytes less the L2 over the pins, and operations on inputs of `dtypes` over the peak at the highest clock.
    """
    pins, peak = pin_gb_per_s(), peak_flops_a_second(dtypes) if min_flops is not None else None
    limits = []
    if min_bytes is not None and pins is not None:
        left = max(0.0, min_bytes - torch.cuda.get_device_properties(0).L2_cache_size)
        limits.append(left / (pins * 1e9))
    if min_flops is not None and peak is not None:
        limits.append(min_flops / peak)
    return _HARD_MARGIN * max(limits) * 1e3 if limits else None


def peak_flops_a_second(dtypes: Iterable[str]) -> float | None:
    """Return the most operations a second that device 0 can do; None where that is not known."""
    nvml = _nvml()
    if nvml is None:
        return None
    clock_mhz = nvml.nvmlDeviceGetMaxClockInfo(_handle(nvml), nvml.NVML_CLOCK_SM)
    properties = torch.cuda.get_device_properties(0)
    capability = (properties.major, properties.minor)
    return flops_a_second(capability, properties.multi_processor_count, clock_mhz * 1e6, dtypes)
