"""The runner's half of the shared memory: where inputs are read and outputs are found."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from eval.tensors import TensorDesc


class OutputTooLargeError(Exception):
    """The outputs do not fit into what the judge set aside for them."""


class HostMemory:
    """CPU: one shared mapping, inputs first; outputs are copied behind them."""

    def __init__(self, fds: Sequence[int], piece_bytes: Sequence[int], output_offset: int) -> None:
        import torch

        (fd,), (size_bytes,) = fds, piece_bytes
        self._map = mmap.mmap(fd, size_bytes)
        self.base = torch.frombuffer(self._map, dtype=torch.uint8)
        # Apart from the inputs' tensor, whose version would else count the calls.
        self._outputs = torch.frombuffer(self._map, dtype=torch.uint8)
        self._output_offset = output_offset
        self._size = size_bytes
        self.refusal = ""
        # New memory is filled with NaN, so that an element which nobody writes is never right by luck.
        torch.use_deterministic_algorithms(True, warn_only=True)

    def input(self, desc: TensorDesc) -> torch.Tensor:
        """Return the tensor that the judge wrote at `desc`."""
        from eval.tensors import view

        return view(self.base, desc)

    def publish(self, outputs: list[torch.Tensor]) -> list[dict[str, Any]]:
        """Copy the outputs to where the judge reads them, contiguous, and describe them."""
        from eval.tensors import dtype_name

        at, described = self._output_offset, []
        for tensor in outputs:
            count = tensor.numel() * tensor.dtype.itemsize
            if at + count > self._size:
                raise OutputTooLargeError
            flat = tensor.detach().resolve_conj().resolve_neg().contiguous().reshape(-1)
            if count:
                self._outputs[at : at + count].view(tensor.dtype).copy_(flat)
            shape = list(tensor.shape)
            described.append(
                {"offset": at, "shape": shape, "stride": _strides(shape), "dtype": dtype_name(tensor.dtype)}
            )
            at = (at + count + 63) // 64 * 64
        return described

    def poisoned(self) -> None:
        """Take note of it; here new memory is filled by torch."""

    def live(self) -> list[list[int]]:
        """Blocks in use; on the CPU the judge poisons nothing here."""
        return []


def _strides(shape: list[int]) -> list[int]:
    strides, step = [0] * len(shape), 1
    for index in reversed(range(len(shape))):
        strides[index] = step
        step *= max(shape[index], 1)
    return strides
