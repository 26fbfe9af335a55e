"""Device memory that one process makes and others map: cuMemCreate, exported as descriptors.

Source: CUDA driver API, "Virtual Memory Management". Bound by ctypes; needs libcuda.so.1.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

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


class Piece(NamedTuple):
    """Device memory that lies in one place, by the driver's handle; who holds the handle releases it."""

    handle: int
    size_bytes: int


def create(device: int, size_bytes: int) -> Piece:
    """Allocate `size_bytes`, a multiple of `granularity`.

    Raises:
        CudaDriverError: the card has not that much memory.

    """
    handle = ctypes.c_ulonglong()
    call(
        library(), "cuMemCreate",
        ctypes.byref(handle), ctypes.c_size_t(size_bytes), ctypes.byref(_property(device)),
        ctypes.c_ulonglong(0),
    )  # fmt: skip
    return Piece(handle.value, size_bytes)


def imported(fd: int, size_bytes: int) -> Piece:
    """Return the piece that another process exported as `fd`, which may be closed then.

    Raises:
        CudaDriverError: the descriptor is none of ours.

    """
    handle = ctypes.c_ulonglong()
    call(
        library(), "cuMemImportFromShareableHandle",
        ctypes.byref(handle), ctypes.c_void_p(fd), _POSIX_FD,
    )  # fmt: skip
    return Piece(handle.value, size_bytes)


def release(piece: Piece) -> None:
    """Give a piece back; its memory lives on while anybody maps it."""
    call(library(), "cuMemRelease", ctypes.c_ulonglong(piece.handle))


class SharedMemory:
    """Pieces of device memory, mapped one behind another in the current context.

    Their descriptors let another process map the same. A CUDA context must be current in the calling
    thread (``torch.cuda.init()`` and one allocation).
    """

    def __init__(self, device: int, pieces: Sequence[Piece]) -> None:
        """Map `pieces`, which are released with this object; if that fails they stay the caller's.

        Raises:
            CudaDriverError: the driver refuses; nothing is left mapped.

        """
        self._lib = library()
        self._pieces = tuple(pieces)
        self.piece_bytes = tuple(piece.size_bytes for piece in self._pieces)
        self.size_bytes = sum(self.piece_bytes)
        self._exported: list[int] = []
        """A descriptor a piece, once somebody wanted them: the driver takes 0.5 ms to make one."""
        with ExitStack() as undo:
            self.pointer = self._map(device, undo)
            self._mapped = undo.pop_all()

    def _map(self, device: int, undo: ExitStack) -> int:
        pointer, size, zero = ctypes.c_ulonglong(), ctypes.c_size_t(self.size_bytes), ctypes.c_ulonglong(0)
        call(self._lib, "cuMemAddressReserve", ctypes.byref(pointer), size, ctypes.c_size_t(0), zero, zero)
        undo.callback(call, self._lib, "cuMemAddressFree", pointer, size)
        at = pointer.value
        for piece in self._pieces:
            place, part = ctypes.c_ulonglong(at), ctypes.c_size_t(piece.size_bytes)
            handle = ctypes.c_ulonglong(piece.handle)
            call(self._lib, "cuMemMap", place, part, ctypes.c_size_t(0), handle, zero)
            undo.callback(call, self._lib, "cuMemUnmap", place, part)
            at += piece.size_bytes
        access = _AccessDesc(_Location(_LOCATION_DEVICE, device), _READ_WRITE)
        call(self._lib, "cuMemSetAccess", pointer, size, ctypes.byref(access), ctypes.c_size_t(1))
        return pointer.value

    def export_fds(self) -> list[int]:
        """Return new descriptors, one a piece, in their order; the caller closes them.

        Raises:
            CudaDriverError: the driver does not allow it.
            OSError: the limit of open files does not.

        """
        if not self._exported:
            self._exported = _all_or_none(self._export(piece) for piece in self._pieces)
        return _all_or_none(map(os.dup, self._exported))

    def _export(self, piece: Piece) -> int:
        fd = ctypes.c_int()
        call(
            self._lib, "cuMemExportToShareableHandle",
            ctypes.byref(fd), ctypes.c_ulonglong(piece.handle), _POSIX_FD, ctypes.c_ulonglong(0),
        )  # fmt: skip
        return fd.value

    def unmap(self) -> None:
        """Take the mapping away; the pieces stay."""
        self._mapped.close()

    def close(self) -> None:
        """Unmap and give back; memory lives on while another process maps it."""
        self.unmap()
        pieces, self._pieces = self._pieces, ()
        exported, self._exported = self._exported, []
        for fd in exported:
            os.close(fd)
        for piece in pieces:
            release(piece)


def _all_or_none(made: Iterable[int]) -> list[int]:
    """Collect descriptors; where one cannot be made, those before it are closed."""
    fds: list[int] = []
    with ExitStack() as undo:
        for fd in made:
            fds.append(fd)
            undo.callback(os.close, fd)
        undo.pop_all()
    return fds
