"""Where do numbers come from? In the interpreter every load and store of a kernel can be seen.

What a kernel loads and what `forward` returns must have been given, be kept by the model, or have been
stored by a kernel before: else a library or Python computed it, in whatever way it was called. Small
whole numbers and a few constants may come from anywhere; data may move and change its type on the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch

_FEW = 64
_SMALL = float(1 << 20)
_MOST = 10_000
"""Modules and containers that are looked into."""
_BITS = {"float32": np.int32, "float64": np.int64}


class Provenance:
    """Follows one call after another; without `begin` it follows nothing."""

    def __init__(self) -> None:
        self._following = False
        self._known: set[float] = set()
        self._lasting: set[float] = set()
        """Tables that allocation filled, such as `torch.linspace`: they may be kept for later calls."""
        self._kept: set[float] = set()
        """What the model and the module held when the last call was over: what came since is not known."""
        self._foreign: set[float] = set()
        self._converted: set[float] | None = None

    def remember(self, kept: Iterable[Any]) -> None:
        """Note what models and modules hold, before the inputs of the next call are there."""
        self._kept = set()
        self.given(tensors_in(kept))

    def given(self, tensors: Iterable[torch.Tensor]) -> None:
        """Note what the judge writes into a model."""
        for tensor in tensors:
            self._kept |= _numbers_of(tensor)

    def begin(self, given: Iterable[Any]) -> None:
        """Start with what a call is given: its inputs, or containers of such."""
        self._following, self._foreign, self._converted = True, set(), None
        self._known = self._lasting | self._kept
        for tensor in tensors_in(given):
            self._known |= _numbers_of(tensor)

    def launch(self) -> None:
        """Note that host code ran, which may have converted what was known."""
        self._converted = None

    def keep(self, tensor: torch.Tensor) -> None:
        """Accept what an operator filled that computes from no contents."""
        if self._following:
            numbers = _numbers_of(tensor)
            self._lasting |= numbers
            self._known |= numbers

    def stored(self, values: np.ndarray) -> None:
        """Learn what a kernel stored."""
        if self._following:
            self._known |= _numbers(values)

    def loaded(self, values: np.ndarray) -> None:
        """Compare what a kernel loaded with what is known."""
        if self._following:
            self._compare(_numbers(values))

    def finish(self, outputs: Iterable[Any]) -> bool:
        """Compare the outputs, end, and tell whether too many numbers came from nowhere."""
        self.launch()
        for tensor in tensors_in(outputs):
            self._compare(_numbers_of(tensor))
        self._following = False
        return len(self._foreign) > _FEW

    def _compare(self, numbers: set[float]) -> None:
        strange = numbers - self._known
        if strange:
            self._foreign |= strange - self._conversions()

    def _conversions(self) -> set[float]:
        """Return what known numbers are in other types, and what their bits are as integers."""
        if self._converted is None:
            known = np.fromiter(self._known, np.float64, len(self._known))
            self._converted = set()
            with np.errstate(over="ignore"):
                for name in ("float16", "float32", "float64"):
                    cast = known.astype(name)
                    self._converted |= _numbers(cast)
                    for signed in (cast, -cast) if name in _BITS else ():
                        self._converted |= _numbers(signed.view(_BITS[name]))
                self._converted |= _numbers(_bfloat16(known.astype(np.float32)))
        return self._converted


def tensors_in(values: Iterable[Any]) -> Iterator[torch.Tensor]:
    """Yield the tensors in these values, and in the modules and containers among them."""
    waiting = list(values)
    seen: set[int] = set()
    while waiting and len(seen) < _MOST:
        value = waiting.pop()
        if id(value) in seen:
            continue
        if isinstance(value, torch.Tensor):
            yield value
        inside = _inside(value)
        if inside:
            seen.add(id(value))
            waiting.extend(inside)


def _inside(value: Any) -> list[Any]:
    if isinstance(value, torch.nn.Module):
        return list(vars(value).values())
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, (list, tuple, set)) else []


def _numbers_of(tensor: torch.Tensor) -> set[float]:
    plain = tensor.detach().resolve_conj().resolve_neg()
    if plain.layout is not torch.strided or plain.device.type != "cpu" or plain.is_quantized:
        return set()
    if plain.is_complex():
        plain = torch.view_as_real(plain)
    if plain.is_floating_point():
        plain = plain.double()
    return _numbers(plain.as_subclass(torch.Tensor).numpy())


def _bfloat16(values: np.ndarray) -> np.ndarray:
    """Round to the nearest number with eight bits of mantissa, as a conversion does."""
    bits = values.view(np.uint32)
    rounded = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return (rounded & np.uint32(0xFFFF0000)).view(np.float32)


def _numbers(values: np.ndarray) -> set[float]:
    """Return the magnitudes that tell something: no small whole numbers, infinities or NaN."""
    if values.dtype.kind not in "fiu":
        return set()
    sizes = np.abs(values.astype(np.float64)).ravel()
    telling = np.isfinite(sizes) & ((sizes != np.floor(sizes)) | (sizes > _SMALL))
    return set(sizes[telling].tolist())
