"""Facts about the GPU that judges: identity, clocks, and what physics and its data sheet allow."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from eval.judge import conditions
from eval.judge.measured import TF32, copy_bytes_a_second
from eval.judge.nvml import device_nvml
from eval.judge.peak import core_flops_a_second, flops_a_second
from eval.runner.processes import members

_HARD_MARGIN = 0.95
_RECENT_US = 5_000_000
_SM_CLOCK, _MEMORY_CLOCK, _GPU_SENSOR = 1, 2, 0
"""NVML_CLOCK_SM, NVML_CLOCK_MEM and NVML_TEMPERATURE_GPU."""


def identity() -> dict[str, Any]:
    """Name, UUID and driver of device 0, for the verdict's environment."""
    properties, nvml = torch.cuda.get_device_properties(0), device_nvml()
    return {
        "gpu": properties.name,
        "gpu_uuid": str(getattr(properties, "uuid", "")) or None,
        "driver": nvml.driver() if nvml is not None else None,
    }


def fingerprint() -> str:
    """Return one line that changes with what makes device 0 fast: card, power limit, driver and torch."""
    properties, nvml, known = torch.cuda.get_device_properties(0), device_nvml(), identity()
    limit_mw = nvml.ask("nvmlDeviceGetEnforcedPowerLimit") if nvml is not None else None
    return (
        f"{known['gpu']} {known['gpu_uuid']} {properties.multi_processor_count} SMs "
        f"{properties.total_memory} bytes {limit_mw} mW driver {known['driver']} torch {torch.__version__}"
    )


def clocks() -> dict[str, Any]:
    """SM and memory clock in MHz, temperature in °C, NVML's reasons and counters; empty without NVML.

    What the driver does not say is None.
    """
    nvml = device_nvml()
    if nvml is None:
        return {}
    reasons = nvml.ask("nvmlDeviceGetCurrentClocksEventReasons")
    if reasons is None:
        reasons = nvml.ask("nvmlDeviceGetCurrentClocksThrottleReasons")
    held = {
        name: nvml.ask("nvmlDeviceGetViolationStatus", policy) for name, policy in conditions.POLICIES.items()
    }
    return {
        "sm_mhz": nvml.ask("nvmlDeviceGetClockInfo", _SM_CLOCK),
        "memory_mhz": nvml.ask("nvmlDeviceGetClockInfo", _MEMORY_CLOCK),
        "temperature_c": nvml.ask("nvmlDeviceGetTemperature", _GPU_SENSOR),
        "throttle_reasons": reasons,
        "held_ns": {name: int(said.violationTime) for name, said in held.items() if said is not None},
        "at_us": int(time.time() * 1e6),
    }


def clocks_before(last: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `last` conditions where they are of the last seconds and calm, else `clocks` now.

    Asking takes some milliseconds, and some tens while runners open CUDA, with the GPU idle. ``began_us`` is
    now.
    """
    now_us = int(time.time() * 1e6)
    if 0 <= now_us - last.get("at_us", 0) < _RECENT_US and conditions.calm(last):
        return {name: said for name, said in last.items() if name != "busy"} | {"began_us": now_us}
    return clocks()


def conditions_since(before: Mapping[str, Any]) -> dict[str, Any]:
    """Return `clocks` now, and as ``busy`` whether a process that is none of ours has used the GPU since."""
    now, nvml = clocks(), device_nvml()
    if nvml is None or not now:
        return now
    if "began_us" in before and (now["throttle_reasons"] or 0) & conditions.HARDWARE:
        again = clocks()["throttle_reasons"] or 0  # one sight of that means nothing
        now["throttle_reasons"] &= again | ~conditions.HARDWARE
    running, own = nvml.running(), os.getpid()

    def worked() -> set[int] | None:
        return nvml.worked(before["at_us"]) if before else None

    return now | {"busy": conditions.busy(running, worked, own, members(own, running or ()))}


def copy_gb_per_s() -> float:
    """Bandwidth of a plain copy on this GPU, measured now: bytes read plus bytes written."""
    return copy_bytes_a_second() / 1e9


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
    nvml = device_nvml()
    clock_mhz = nvml.ask("nvmlDeviceGetMaxClockInfo", _SM_CLOCK) if nvml is not None else None
    if clock_mhz is None:
        return None
    properties = torch.cuda.get_device_properties(0)
    capability = (properties.major, properties.minor)
    return flops_a_second(capability, properties.multi_processor_count, clock_mhz * 1e6, dtypes)


def spec_flops_a_second(kind: str) -> float | None:
    """Return what a product of matrices of `kind` could do at most at the boost clock; None if not known.

    float32 without TF32 runs on the cores and not on the matrix units.
    """
    properties = torch.cuda.get_device_properties(0)
    clock_hz = 1e3 * getattr(properties, "clock_rate", 0)
    capability, sms = (properties.major, properties.minor), properties.multi_processor_count
    if kind == "float32":
        return core_flops_a_second(capability, sms, clock_hz)
    return flops_a_second(capability, sms, clock_hz, ["float32" if kind == TF32 else kind])
