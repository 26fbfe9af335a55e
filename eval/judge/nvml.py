"""What the driver's management library says of device 0; None wherever it is not there or will not say."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch

_NO_SAMPLES = frozenset({0, 6})
"""NVML_SUCCESS and NVML_ERROR_NOT_FOUND: asked for new samples, and there are none."""


class Nvml:
    """Questions about one device; any of them may be unknown to a driver, a card or a container."""

    def __init__(self, library: Any, handle: Any) -> None:
        """`library` is `pynvml` after `nvmlInit`, `handle` the device there."""
        self._library, self._handle = library, handle

    def ask(self, name: str, *arguments: Any) -> Any | None:
        """Return what the function `name` says of the device, None where it fails or is not there."""
        try:
            return getattr(self._library, name)(self._handle, *arguments)
        except (AttributeError, self._library.NVMLError):
            return None

    def driver(self) -> str | None:
        """Return the driver's version."""
        try:
            return str(self._library.nvmlSystemGetDriverVersion())
        except self._library.NVMLError:
            return None

    def running(self) -> set[int] | None:
        """Return the processes that have a compute context, as this PID namespace numbers them."""
        found = self.ask("nvmlDeviceGetComputeRunningProcesses")
        return None if found is None else {int(process.pid) for process in found}

    def worked(self, since_us: int) -> set[int] | None:
        """Return the processes whose kernels or copies ran after `since_us`, in µs of Unix time."""
        try:
            samples = self._library.nvmlDeviceGetProcessUtilization(self._handle, since_us)
        except AttributeError:
            return None
        except self._library.NVMLError as error:
            return set() if error.value in _NO_SAMPLES else None
        return {
            int(sample.pid)
            for sample in samples
            if sample.timeStamp > since_us and (sample.smUtil or sample.memUtil)
        }


@cache
def device_nvml() -> Nvml | None:
    """Return the library for device 0 of this process; None without `nvidia-ml-py` or where NVML fails."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    uuid = str(getattr(torch.cuda.get_device_properties(0), "uuid", ""))
    for kind in ("GPU", "MIG"):
        try:
            return Nvml(pynvml, pynvml.nvmlDeviceGetHandleByUUID(f"{kind}-{uuid}"))
        except pynvml.NVMLError:
            continue
    return None
