"""Device memory that one process makes and others map: cuMemCreate, exported as a descriptor.

Source: CUDA driver API, "Virtual Memory Management". Bound by ctypes; needs libcuda.so.1.
"""

from __future__ import annotations

import ctypes
from typing import Any

_POSIX_FD = 1
_PINNED = 1
_LOCATION_DEVICE = 1
_READ_WRITE = 3
_GRANULARITY_RECOMMENDED = 1


class CudaDriverError(RuntimeError):
    """A driver call failed; the message names the call and the driver's error."""


class _Location(ctypes.Structure):
    _fields_ = (("type", ctypes.c_int), ("id", ctypes.c_int))


class _AllocFlags(ctypes.Structure):
    _fields_ = (
        ("compression", ctypes.c_ubyte),
        ("rdma", ctypes.c_ubyte),
        ("usage", ctypes.c_ushort),
        ("reserved", ctypes.c_ubyte * 4),
    )


class _AllocationProp(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("handle_types", ctypes.c_int),
        ("location", _Location),
        ("win32", ctypes.c_void_p),
        ("flags", _AllocFlags),
    )


class _AccessDesc(ctypes.Structure):
    _fields_ = (("location", _Location), ("flags", ctypes.c_int))


def library() -> Any:
    """Return the driver's library."""
    return ctypes.CDLL("libcuda.so.1")


def call(lib: Any, name: str, *args: Any) -> None:
    """Call a function of the driver.

    Raises:
        CudaDriverError: it reports one.

    """
    code = getattr(lib, name)(*args)
    if code:
        text = ctypes.c_char_p()
        lib.cuGetErrorName(code, ctypes.byref(text))
        raise CudaDriverError(f"{name}: {(text.value or b'?').decode()} ({code})")


def _property(device: int) -> _AllocationProp:
    prop = _AllocationProp()
    prop.type = _PINNED
    prop.handle_types = _POSIX_FD
    prop.location = _Location(_LOCATION_DEVICE, device)
    return prop


def granularity(device: int) -> int:
    """Bytes that sizes of shared memory must be a multiple of (2 MiB on today's cards)."""
    lib, size = library(), ctypes.c_size_t()
    call(
        lib, "cuMemGetAllocationGranularity",
        ctypes.byref(size), ctypes.byref(_property(device)), _GRANULARITY_RECOMMENDED,
    )  # fmt: skip
    return size.value


class SharedMemory:
    """A mapping of device memory in the current context; `fd` lets another process map the same.

    A CUDA context must be current in the calling thread (``torch.cuda.init()`` and one allocation).
    """

    def __init__(self, device: int, size_bytes: int, fd: int | None = None) -> None:
        """Allocate `size_bytes` (a multiple of `granularity`), or map what `fd` stands for.

        Raises:
            CudaDriverError: the card has not that much memory, or the descriptor is none of ours.

        """
        self._lib = library()
        self.size_bytes = size_bytes
        self._handle = ctypes.c_ulonglong()
        if fd is None:
            call(
                self._lib, "cuMemCreate",
                ctypes.byref(self._handle), ctypes.c_size_t(size_bytes), ctypes.byref(_property(device)),
                ctypes.c_ulonglong(0),
            )  # fmt: skip
        else:
            call(
                self._lib, "cuMemImportFromShareableHandle",
                ctypes.byref(self._handle), ctypes.c_void_p(fd), _POSIX_FD,
            )  # fmt: skip
        self.pointer = self._map(device)

    def _map(self, device: int) -> int:
        pointer, size = ctypes.c_ulonglong(), ctypes.c_size_t(self.size_bytes)
        zero = ctypes.c_ulonglong(0)
        call(self._lib, "cuMemAddressReserve", ctypes.byref(pointer), size, ctypes.c_size_t(0), zero, zero)
        call(self._lib, "cuMemMap", pointer, size, ctypes.c_size_t(0), self._handle, zero)
        access = _AccessDesc(_Location(_LOCATION_DEVICE, device), _READ_WRITE)
        call(self._lib, "cuMemSetAccess", pointer, size, ctypes.byref(access), ctypes.c_size_t(1))
        return pointer.value

    def export_fd(self) -> int:
        """Return a new descriptor of this memory; the caller closes it."""
        fd = ctypes.c_int()
        call(
            self._lib, "cuMemExportToShareableHandle",
            ctypes.byref(fd), self._handle, _POSIX_FD, ctypes.c_ulonglong(0),
        )  # fmt: skip
        return fd.value

    def close(self) -> None:
        """Unmap and give back; memory lives on while another process maps it."""
        if not self.pointer:
            return
        pointer, size = ctypes.c_ulonglong(self.pointer), ctypes.c_size_t(self.size_bytes)
        self.pointer = 0
        call(self._lib, "cuMemUnmap", pointer, size)
        call(self._lib, "cuMemAddressFree", pointer, size)
        call(self._lib, "cuMemRelease", self._handle)
