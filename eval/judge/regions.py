"""Memory that the judge makes and a runner maps: inputs first, then room for what the runner makes."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, NamedTuple

import torch

from eval.cuda.driver import SharedMemory, granularity
from eval.cuda.pieces import deal
from eval.tensors import TensorDesc, dtype_name, view

if TYPE_CHECKING:
    from eval.judge.reference import InputSpec

_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
"""A runner that cut the file would end whoever reads what is gone."""
_POISON = 0xFF
"""Every byte set: NaN in each floating type, -1 or the largest value in integers."""


class Region:
    """A flat range of bytes; `split` is where the inputs end."""

    size_bytes: int
    split: int
    base: torch.Tensor
    align: int
    transfer_bytes: int = 0
    """At the end of the inputs, for weights that pass through."""
    shared = False
    """Whether several runners make their outputs here, in turn."""

    @property
    def piece_bytes(self) -> tuple[int, ...]:
        """What each of the descriptors stands for, one behind another."""
        return (self.size_bytes,)

    def export_fds(self) -> list[int]:
        """Return new descriptors for a runner, one a piece; the caller closes them."""
        raise NotImplementedError

    def close(self) -> None:
        """Give the memory back."""

    def place(self, specs: tuple[InputSpec, ...], layout: str, start: int = 0) -> list[TensorDesc | None]:
        """Lay the inputs out one behind another from `start` on; None stands for a plain value."""
        at = start
        placed: list[TensorDesc | None] = []
        for spec in specs:
            if spec.shape is None or spec.dtype is None:
                placed.append(None)
                continue
            stride = strides(spec.shape, layout)
            desc = TensorDesc(offset=at, shape=spec.shape, stride=stride, dtype=dtype_name(spec.dtype))
            at += -(-desc.span_elements() * spec.dtype.itemsize // self.align) * self.align
            placed.append(desc)
        room = self.split - self.transfer_bytes
        if at > room:
            raise ValueError(f"inputs of {at} bytes do not fit into {room}")
        return placed

    def tensor(self, desc: TensorDesc) -> torch.Tensor:
        """Return the memory at `desc` as a tensor, without a copy."""
        return view(self.base, desc)

    def clear(self) -> None:
        """Overwrite all of it, inputs too, for somebody who has not seen what was there."""
        self.base.fill_(_POISON)

    def poison(self, live: list[tuple[int, int]]) -> None:
        """Fill everything behind the inputs but these blocks, so that unwritten elements show."""
        at = self.split
        if self.shared and live and sum(live[0]) == self.size_bytes:
            live = live[1:]  # never used by this runner, but by others
        for offset, size in [*sorted(live), (self.size_bytes, 0)]:
            if offset > at:
                self.base[at : min(offset, self.size_bytes)].fill_(_POISON)
            at = max(at, offset + size)


class HostRegion(Region):
    """CPU: an anonymous file, mapped by both sides."""

    align = 64

    def __init__(self, input_bytes: int, output_bytes: int, transfer_bytes: int = 0) -> None:
        self.transfer_bytes = -(-transfer_bytes // self.align) * self.align
        self.split = -(-(input_bytes + self.transfer_bytes) // 4096) * 4096
        self.size_bytes = self.split + -(-output_bytes // 4096) * 4096
        self._fd = os.memfd_create("inputs", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self._fd, self.size_bytes)
        fcntl.fcntl(self._fd, fcntl.F_ADD_SEALS, _SEALS)
        import mmap

        self._map = mmap.mmap(self._fd, self.size_bytes)
        self.base = torch.frombuffer(self._map, dtype=torch.uint8)

    def export_fds(self) -> list[int]:
        """Return one new descriptor for a runner; the caller closes it."""
        return [os.dup(self._fd)]

    def close(self) -> None:
        """Close the judge's descriptor; the mapping goes with the object."""
        os.close(self._fd)


class _Extent(NamedTuple):
    """Bytes of a device region, each a multiple of the driver's granularity."""

    transfer: int
    split: int
    size: int


def _extent(input_bytes: int, heap_bytes: int, transfer_bytes: int, device: int) -> _Extent:
    torch.cuda.init()
    torch.zeros(1, device="cuda")
    step = granularity(device)
    transfer = -(-transfer_bytes // step) * step
    split = -(-max(input_bytes, 1) // step) * step + transfer
    return _Extent(transfer, split, split + -(-heap_bytes // step) * step)


class DeviceRegion(Region):
    """CUDA: device memory made by the driver in pieces, and shared by their descriptors."""

    align = 2 << 20

    def __init__(
        self, input_bytes: int, heap_bytes: int, device: int = 0, *, transfer_bytes: int = 0,
        memory: SharedMemory | None = None,
    ) -> None:  # fmt: skip
        """Lay inputs and heap out in `memory`, which has just that size, or where none is given in new.

        Raises:
            CudaDriverError: the card has not that much memory.

        """
        extent = _extent(input_bytes, heap_bytes, transfer_bytes, device)
        self.transfer_bytes, self.split, self.size_bytes = extent
        self._memory = memory or deal(device, extent.size, 1)[0]
        self.base = torch.as_tensor(_Pointer(self._memory.pointer, self.size_bytes), device="cuda")

    @classmethod
    def deal(
        cls, count: int, input_bytes: int, heap_bytes: int, device: int = 0, *, transfer_bytes: int = 0
    ) -> list[DeviceRegion]:
        """Make `count` regions that lie alike: their pieces are made together and dealt at random.

        Raises:
            CudaDriverError: the card has not that much memory; nothing is kept of it.

        """
        extent = _extent(input_bytes, heap_bytes, transfer_bytes, device)
        return [
            cls(input_bytes, heap_bytes, device, transfer_bytes=transfer_bytes, memory=memory)
            for memory in deal(device, extent.size, count)
        ]

    @property
    def piece_bytes(self) -> tuple[int, ...]:
        """What each of the descriptors stands for, one behind another."""
        return self._memory.piece_bytes

    def export_fds(self) -> list[int]:
        """Return new descriptors for a runner, one a piece; the caller closes them."""
        return self._memory.export_fds()

    def close(self) -> None:
        """Unmap the memory; nothing may use `base` after that."""
        torch.cuda.synchronize()
        self._memory.close()


class _Pointer:
    """A range of device memory for `torch.as_tensor`."""

    def __init__(self, pointer: int, size_bytes: int) -> None:
        self.__cuda_array_interface__ = {
            "shape": (size_bytes,), "typestr": "|u1", "data": (pointer, False), "version": 3,
        }  # fmt: skip


def strides(shape: tuple[int, ...], layout: str) -> tuple[int, ...]:
    """Return the steps, in elements, of an input of this shape: contiguous, transposed or with gaps."""
    order = list(range(len(shape)))
    if layout == "transposed" and len(shape) > 1:
        order[-1], order[-2] = order[-2], order[-1]
    step, found = (2 if layout == "strided" else 1), [0] * len(shape)
    for index in reversed(order):
        found[index] = step
        step *= max(shape[index], 1)
    return tuple(found)


def bytes_needed(specs: tuple[InputSpec, ...], align: int, factor: int = 1) -> int:
    """Bytes that `place` takes at most for these inputs, times `factor` for layouts with gaps."""
    total = 0
    for spec in specs:
        if spec.shape is not None and spec.dtype is not None:
            numel = 1
            for size in spec.shape:
                numel *= size
            total += -(-numel * factor * spec.dtype.itemsize // align) * align
    return total
