"""Inputs that are noise until the judge shows their key."""

from __future__ import annotations

import secrets
from functools import cache, partial
from typing import TYPE_CHECKING

import torch

from eval.cuda.programs import Programs
from eval.gate import KEY_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from eval.judge.regions import Region
    from eval.tensors import TensorDesc

OPEN_KEY = bytes(KEY_BYTES)
"""Under this one nothing is hidden: the programs take as long, and change nothing."""


@cache
def programs() -> Programs:
    """Return the judge's own copy of the GPU programs, loaded once."""
    return Programs(torch.cuda.get_device_properties(0).multi_processor_count)


class Hiding:
    """A fresh key for each call of a turn."""

    def __init__(self, region: Region, calls: int) -> None:
        self._region = region
        self.keys = [secrets.token_bytes(KEY_BYTES) for _ in range(calls)]
        text = torch.frombuffer(bytearray(b"".join(self.keys)), dtype=torch.uint8)
        self._keys = text.to(region.base.device)

    def writer(self, call: int) -> Callable[[int, TensorDesc, torch.Tensor], None]:
        """Return what writes the inputs of one call: their number, place and contents."""
        return partial(self._write, self._keys.data_ptr() + call * KEY_BYTES)

    def _write(self, key: int, number: int, desc: TensorDesc, contents: torch.Tensor) -> None:
        place = self._region.tensor(desc)
        source, size = place, desc.span_elements() * place.dtype.itemsize
        if place.is_contiguous() and contents.is_contiguous():
            source = contents
        else:
            place.copy_(contents)
        stream = torch.cuda.current_stream().cuda_stream
        programs().cipher(stream, place.data_ptr(), source.data_ptr(), size, key, number)
