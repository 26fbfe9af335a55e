"""The NVIDIA GPUs of this machine, by NVML where nvidia-ml-py is installed, by the driver otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

from eval.client import cuda_device_name
from eval.records import Record


class Gpu(Record):
    """One GPU; what nobody says is None."""

    name: str
    uuid: str | None = None
    driver: str | None = None
    memory_gb: float | None = None
    """Memory in 1e9 bytes."""
    sm_clock_mhz: int | None = None
    """SM clock now."""
    max_sm_clock_mhz: int | None = None
    max_memory_clock_mhz: int | None = None
    temperature_c: int | None = None
    power_limit_w: float | None = None


def gpus() -> tuple[Gpu, ...]:
    """Return the GPUs of this machine; none where there is no driver."""
    try:
        import pynvml
    except ModuleNotFoundError:
        return tuple(_by_driver())
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return tuple(_by_driver())
    try:
        return tuple(_by_nvml(pynvml))
    finally:
        pynvml.nvmlShutdown()


def _by_driver() -> Iterator[Gpu]:
    for index in count():
        name = cuda_device_name(index)
        if name is None:
            return
        yield Gpu(name=name)


def _by_nvml(nvml: Any) -> Iterator[Gpu]:
    def ask(question: Callable[..., Any], *words: Any) -> Any:
        """Return the answer, or None where this GPU gives none."""
        try:
            return question(*words)
        except nvml.NVMLError:
            return None

    driver = ask(nvml.nvmlSystemGetDriverVersion)
    for index in range(nvml.nvmlDeviceGetCount()):
        gpu = nvml.nvmlDeviceGetHandleByIndex(index)
        memory = ask(nvml.nvmlDeviceGetMemoryInfo, gpu)
        power_mw = ask(nvml.nvmlDeviceGetEnforcedPowerLimit, gpu)
        yield Gpu(
            name=nvml.nvmlDeviceGetName(gpu),
            uuid=ask(nvml.nvmlDeviceGetUUID, gpu),
            driver=driver,
            memory_gb=memory.total / 1e9 if memory else None,
            sm_clock_mhz=ask(nvml.nvmlDeviceGetClockInfo, gpu, nvml.NVML_CLOCK_SM),
            max_sm_clock_mhz=ask(nvml.nvmlDeviceGetMaxClockInfo, gpu, nvml.NVML_CLOCK_SM),
            max_memory_clock_mhz=ask(nvml.nvmlDeviceGetMaxClockInfo, gpu, nvml.NVML_CLOCK_MEM),
            temperature_c=ask(nvml.nvmlDeviceGetTemperature, gpu, nvml.NVML_TEMPERATURE_GPU),
            power_limit_w=power_mw / 1000 if power_mw else None,
        )
