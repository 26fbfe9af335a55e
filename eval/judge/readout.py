"""Scattered elements of a turn's outputs: of some calls they are read while the judge's clock runs."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from itertools import cycle
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from eval.judge.faults import incorrect, rejected
from eval.judge.regions import strides
from eval.judge.rows import BITS
from eval.tensors import torch_dtype

if TYPE_CHECKING:
    from collections.abc import Callable

    from eval.judge.faults import FaultRaised
    from eval.tensors import TensorDesc

_ELEMENTS = 1024
_random = np.random.default_rng()


class _Part(NamedTuple):
    """One output of all calls for which it has the same strides."""

    flat: torch.Tensor
    """The whole region, an element as bits."""
    dtype: torch.dtype
    places: torch.Tensor
    """Where in `flat` the elements lie, in host memory: those of the early calls first."""
    early: int
    """How many of the places are read at once."""


class Readout:
    """Made for outputs where those before lay, without a word to the GPU.

    It is the runner's soon: its kernels wait there for what the judge shows.
    """

    def __init__(
        self, base: torch.Tensor, calls: Sequence[Sequence[TensorDesc]], early: Collection[int]
    ) -> None:
        """Draw elements of each output in the region `base`; those of the calls in `early` are for `read`.

        Make the one after the next once all work of this one is done.
        """
        self._base, self._calls, self._asked = base, calls, early
        members: dict[object, list[tuple[int, TensorDesc]]] = {}
        for call in sorted(range(len(calls)), key=lambda call: call not in early):
            for number, desc in enumerate(calls[call]):
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
            count = _ELEMENTS * sum(call in early for call, _ in found)
            flat = base.view(BITS.get(dtype.itemsize, dtype))
            self._parts.append(_Part(flat, dtype, torch.from_numpy(places).flatten(), count))
        self._device = base.device
        if base.is_cuda and self._parts:  # from where they are copied without a stop
            counts = [len(part.places) for part in self._parts]
            rooms = next(_pinned(sum(counts))).split(counts)
            self._parts = [
                part._replace(places=room.copy_(part.places))
                for room, part in zip(rooms, self._parts, strict=True)
            ]

    def of(self, calls: Sequence[Sequence[TensorDesc]]) -> Readout:
        """Return this one if it was made for these very descriptions of outputs, else one that is."""
        return self if calls is self._calls else Readout(self._base, calls, self._asked)

    def read(self) -> None:
        """Read from the outputs of the early calls, without waiting for it."""
        self._read = [self._elements(part, part.early) for part in self._parts]

    def _elements(self, part: _Part, count: int) -> torch.Tensor:
        return part.flat.index_select(0, part.places[:count].to(self._device, non_blocking=True))

    def check(self) -> None:
        """Read from the outputs of all calls, and compare with what was read before, with one wait for all.

        Raises:
            FaultRaised: an element was never written, or written after the clock had stopped.

        """
        found: list[tuple[Callable[[], FaultRaised], torch.Tensor]] = []
        for part, read in zip(self._parts, self._read, strict=True):
            now = self._elements(part, len(part.places))
            if part.dtype.is_floating_point:
                both = torch.cat((read, now)).view(part.dtype)
                found.append((_unwritten, both.isnan().any()))
            found.append((_changed, (read != now[: part.early]).any()))
        holds = torch.stack([flag for _, flag in found]).tolist() if found else []
        for (fault, _), held in zip(found, holds, strict=True):
            if held:
                raise fault()


def _unwritten() -> FaultRaised:
    return incorrect("not_finite", "sampled elements of a timed call's output were never written")


def _changed() -> FaultRaised:
    return rejected("tampering", "an output changed after the clock had stopped", "seal")


@cache
def _pinned(count: int) -> Iterator[torch.Tensor]:
    """Give memory that the GPU copies from by itself, two of one size in turn: to pin it takes long."""
    return cycle([torch.empty(count, dtype=torch.int64, pin_memory=True) for _ in range(2)])


def _drawn(desc: TensorDesc) -> npt.NDArray[np.int64]:
    """Draw elements of an output, and return how far from its first one they lie."""
    elements = _random.integers(0, math.prod(desc.shape), _ELEMENTS)
    if desc.stride == strides(desc.shape, "contiguous"):
        return elements
    places = np.unravel_index(elements, desc.shape) if desc.shape else ()
    offsets = np.zeros(_ELEMENTS, dtype=np.int64)
    for at, step in zip(places, desc.stride, strict=True):
        offsets += at * step
    return offsets
