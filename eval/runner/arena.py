"""CUDA: torch's allocator replaced by a heap in memory that the judge made and can read in place."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from eval.cuda.driver import SharedMemory, imported
from eval.runner.heap import Heap

if TYPE_CHECKING:
    import torch

    from eval.tensors import TensorDesc

_ALLOCATE = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p)
_RELEASE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p)


class ArenaMemory:
    """Inputs lie where the judge put them; whatever torch allocates comes from the heap behind them."""

    def __init__(
        self, fds: Sequence[int], piece_bytes: Sequence[int], heap_offset: int, device: int = 0
    ) -> None:
        import torch

        size_bytes = sum(piece_bytes)
        self._heap = Heap(heap_offset, size_bytes)
        self._pointer = 0
        self.refusal = ""
        """Of the first allocation that was refused: torch gets no memory, and goes on with a null pointer."""
        self._callbacks = (_ALLOCATE(self._allocate), _RELEASE(self._release))
        pointers = [ctypes.cast(callback, ctypes.c_void_p).value or 0 for callback in self._callbacks]
        allocator = torch._C._cuda_customAllocator(*pointers)  # noqa: SLF001 - the public class wants a file
        torch._C._cuda_changeCurrentAllocator(allocator)  # noqa: SLF001
        torch.cuda.init()
        torch.cuda.set_device(device)
        torch.cuda.current_stream().synchronize()
        pieces = [imported(fd, size) for fd, size in zip(fds, piece_bytes, strict=True)]
        self._memory = SharedMemory(device, pieces)
        self._pointer = self._memory.pointer
        self.base = torch.as_tensor(_Region(self._pointer, size_bytes), device="cuda")

    def _allocate(self, size: int, _device: int, _stream: int | None) -> int:
        if not self._pointer:
            return 0
        try:
            return self._pointer + self._heap.allocate(size)
        except MemoryError as error:
            self.refusal = self.refusal or str(error)
            return 0

    def _release(self, pointer: int | None, _size: int, _device: int, _stream: int | None) -> None:
        if pointer:
            self._heap.release(pointer - self._pointer)

    def input(self, desc: TensorDesc) -> torch.Tensor:
        """Return the tensor that the judge wrote at `desc`."""
        from eval.tensors import view

        return view(self.base, desc)

    def publish(self, outputs: list[torch.Tensor]) -> list[dict[str, Any]]:
        """Describe the outputs where they lie; the judge checks that this is inside the arena."""
        return [
            {
                "offset": tensor.data_ptr() - self._pointer if tensor.numel() else 0,
                "shape": list(tensor.shape),
                "stride": list(tensor.stride()),
                "dtype": str(tensor.dtype).removeprefix("torch."),
            }
            for tensor in outputs
        ]

    def poisoned(self) -> None:
        """Take note that the judge has filled what was not `live`: it is as good as never used."""
        self._heap.renew()

    def live(self) -> list[list[int]]:
        """Blocks of the heap that the judge leaves as they are: in use, or not used since it was poisoned."""
        return self._heap.told()

    @property
    def peak_bytes(self) -> int:
        """The most that was in use at once."""
        return self._heap.peak_bytes


class _Region:
    """A range of device memory for `torch.as_tensor`."""

    def __init__(self, pointer: int, size_bytes: int) -> None:
        self.__cuda_array_interface__ = {
            "shape": (size_bytes,),
            "typestr": "|u1",
            "data": (pointer, False),
            "version": 3,
        }
