"""Scattered elements of a turn's outputs: of some calls they are read while the judge's clock runs."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from eval.judge.faults import incorrect, rejected
from eval.tensors import torch_dtype

if TYPE_CHECKING:
    from eval.tensors import TensorDesc

_ELEMENTS = 1024
_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_random = np.random.default_rng()


class _Part(NamedTuple):
    """One output of all calls for which it has the same strides."""

    flat: torch.Tensor
    """The whole region, an element as bits."""
    dtype: torch.dtype
    places: torch.Tensor
    """Where in `flat` the elements lie, a row for each call, in host memory."""
    early: list[int]
    """Rows that are read at once."""


class Readout:
    """Made while a runner queues its calls, for outputs where those before lay, without a word to the GPU.

    It is the runner's then: its kernels wait there for what the judge shows.
    """

    def __init__(
        self, base: torch.Tensor, calls: Sequence[Sequence[TensorDesc]], early: Collection[int]
    ) -> None:
        """Draw elements of each output in the region `base`; those of the calls in `early` are for `read`.

        Make the next one once all work of this one is done.
        """
        self._base, self._calls, self._asked = base, calls, early
        members: dict[object, list[tuple[int, TensorDesc]]] = {}
        for call, outputs in enumerate(calls):
            for number, desc in enumerate(outputs):
                if desc.numel():
                    alike = number, desc.shape, desc.stride, desc.dtype
                    members.setdefault(alike, []).append((call, desc))
        self._read: list[torch.Tensor] = []
        self._parts: list[_Part] = []
        for found in members.values():
            _, first = found[0]
            dtype = torch_dtype(first.dtype)
            starts = np.array([desc.offset // dtype.itemsize for _, desc in found])
            places = starts[:, None] + _drawn(first)
            rows = [row for row, (call, _) in enumerate(found) if call in early]
            flat = base.view(_BITS.get(dtype.itemsize, dtype))
            self._parts.append(_Part(flat, dtype, torch.from_numpy(places), rows))
        self._device = base.device
        self._early = [part.places[part.early].flatten() for part in self._parts]
        """Places of the early calls by part; on a GPU in memory from where they are copied without a stop."""
        if base.is_cuda and self._early:
            counts = [len(places) for places in self._early]
            rooms = _pinned(sum(counts)).split(counts)
            self._early = [room.copy_(places) for room, places in zip(rooms, self._early, strict=True)]

    def of(self, calls: Sequence[Sequence[TensorDesc]]) -> Readout:
        """Return this one if it was made for these very descriptions of outputs, else one that is."""
        return self if calls is self._calls else Readout(self._base, calls, self._asked)

    def read(self) -> None:
        """Read from the outputs of the early calls, without waiting for it."""
        self._read = [
            part.flat.index_select(0, places.to(self._device, non_blocking=True))
            for part, places in zip(self._parts, self._early, strict=True)
        ]

    def check(self) -> None:
        """Read from the outputs of all calls, and compare with what was read before.

        Raises:
            FaultRaised: an element was never written, or written after the clock had stopped.

        """
        for part, read in zip(self._parts, self._read, strict=True):
            places = part.places.to(self._device)
            now = part.flat.index_select(0, places.flatten()).view(places.shape)
            if part.dtype.is_floating_point:
                both = torch.cat((read, now.flatten())).view(part.dtype)
                if bool(both.isnan().any()):
                    raise incorrect(
                        "not_finite", "sampled elements of a timed call's output were never written"
                    )
            if not torch.equal(read, now[part.early].flatten()):
                raise rejected("tampering", "an output changed after the clock had stopped", "seal")


@cache
def _pinned(count: int) -> torch.Tensor:
    """Return memory that the GPU copies from by itself, the same for every turn: to pin it takes long."""
    return torch.empty(count, dtype=torch.int64, pin_memory=True)


def _drawn(desc: TensorDesc) -> npt.NDArray[np.int64]:
    """Draw elements of an output, and return how far from its first one they lie."""
    elements = _random.integers(0, math.prod(desc.shape), _ELEMENTS)
    places = np.unravel_index(elements, desc.shape) if desc.shape else ()
    offsets = np.zeros(_ELEMENTS, dtype=np.int64)
    for at, step in zip(places, desc.stride, strict=True):
        offsets += at * step
    return offsets
