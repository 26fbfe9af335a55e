"""The floor: the time that a good kernel can hope for. For looking at; nothing is refused by it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from eval.judge.ceilings import Ceiling, Ceilings, Source
from eval.judge.measured import TF32

_MATTERS = 0.25
"""Products are measured where by the data sheet their time is this part of the bytes' or more: cuBLAS
reaches half of a data sheet and more."""


class Floor(NamedTuple):
    """The later of two times, and what they rest on."""

    ms: float
    by: Literal["bytes", "flops"]
    source: Source
    copy: Ceiling | None
    peak: Ceiling | None
    """None where operations cannot matter, or where nothing is known of them."""

    @property
    def note(self) -> str | None:
        """What a reader should know of where the figures come from."""
        if self.source == "measured":
            return None
        what = "a copy" if self.by == "bytes" else "a product of matrices"
        return f"the floor is by the GPU's data sheet: {what} could not be measured here"


def product_kind(dtypes: Iterable[str], *, tf32: bool) -> str | None:
    """Return the kind of product, as `measured.flops_a_second` takes it, for inputs of these dtypes.

    Of several the fastest, so that the floor is not above what can be had; None where none is floating.
    """
    names = set(dtypes)
    kinds = {"float16": "float16", "bfloat16": "bfloat16", "float32": TF32 if tf32 else "float32"}
    kinds["float64"] = "float64"
    return next((kind for name, kind in kinds.items() if name in names), None)


def floor_of(moved_bytes: float, flops: float | None, kind: str | None, ceilings: Ceilings) -> Floor | None:
    """Return the floor of a call; None where nothing is known of this GPU.

    `moved_bytes` must be read or written; `flops` must be done on inputs of `kind`.
    """
    copy = ceilings.copy()
    by_bytes = 1e3 * moved_bytes / copy.value if copy is not None else 0.0
    peak = _peak(flops, kind, by_bytes, ceilings)
    by_flops = 1e3 * flops / peak.value if peak is not None and flops else 0.0
    if peak is not None and by_flops > by_bytes:
        return Floor(by_flops, "flops", peak.source, copy, peak)
    return Floor(by_bytes, "bytes", copy.source, copy, peak) if copy is not None else None


def _peak(flops: float | None, kind: str | None, by_bytes_ms: float, ceilings: Ceilings) -> Ceiling | None:
    if not flops or kind is None:
        return None
    spec = ceilings.spec(kind)
    if spec is not None and 1e3 * flops / spec < _MATTERS * by_bytes_ms:
        return None
    return ceilings.matmul(kind)
