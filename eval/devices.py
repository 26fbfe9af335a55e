"""The CUDA GPUs that a process of ours would see, asked of the driver alone: no torch is imported."""

from __future__ import annotations

import ctypes
import os
import uuid

from eval.base import Record

_NAME_CHARS = 256


class CudaDevice(Record):
    """One GPU as the driver lists it."""

    index: int
    """Its place among the visible GPUs, from 0; what ``--gpus`` takes."""
    name: str
    """As `torch.cuda.get_device_name` gives it."""
    selector: str
    """What `CUDA_VISIBLE_DEVICES` is set to, so that a process sees this GPU alone."""


def cuda_devices() -> tuple[CudaDevice, ...]:
    """Return the GPUs that `CUDA_VISIBLE_DEVICES` leaves visible, in the driver's order."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return ()
    count = ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return ()
    found = (_device(driver, index) for index in range(count.value))
    return tuple(device for device in found if device is not None)


def cuda_device_name(index: int = 0) -> str | None:
    """Return the name of a visible GPU, or None where there is none."""
    names = [device.name for device in cuda_devices() if device.index == index]
    return names[0] if names else None


def _device(driver: ctypes.CDLL, index: int) -> CudaDevice | None:
    device, name = ctypes.c_int(), ctypes.create_string_buffer(_NAME_CHARS)
    if driver.cuDeviceGet(ctypes.byref(device), index):
        return None
    if driver.cuDeviceGetName(name, len(name), device):
        return None
    return CudaDevice(index=index, name=name.value.decode(), selector=_selector(driver, device, index))


def _selector(driver: ctypes.CDLL, device: ctypes.c_int, index: int) -> str:
    """Return the GPU's UUID; a part of a divided GPU keeps the word by which it was made visible."""
    given = [word.strip() for word in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    if index < len(given) and given[index].startswith("MIG-"):
        return given[index]
    raw = (ctypes.c_ubyte * 16)()
    if driver.cuDeviceGetUuid(ctypes.byref(raw), device):
        return given[index] if index < len(given) and given[index] else str(index)
    return f"GPU-{uuid.UUID(bytes=bytes(raw))}"
