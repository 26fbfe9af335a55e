"""Plain descriptions of tensors, as they cross between judge and runner."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from eval.records import Record

if TYPE_CHECKING:
    import torch

DTYPES = (
    "float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool",
    "complex64", "complex128", "uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2",
)  # fmt: skip
_MAX_DIMS = 16


class TensorDesc(Record):
    """Where a tensor lies in shared memory and how to read it."""

    offset: int
    """Bytes from the start of the region to the first element."""
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    """In elements."""
    dtype: str

    def span_elements(self) -> int:
        """Elements from the first to the last one addressed, both included; 0 when empty."""
        if 0 in self.shape:
            return 0
        return 1 + sum((n - 1) * s for n, s in zip(self.shape, self.stride, strict=True))

    def numel(self) -> int:
        """Return the number of elements."""
        return math.prod(self.shape)


def parse_desc(raw: Any, region_bytes: int) -> TensorDesc:
    """Check an untrusted description against the region that it must lie in.

    Raises:
        ValueError: a field is missing, of the wrong type, or out of range.

    """
    if not isinstance(raw, dict) or set(raw) != {"offset", "shape", "stride", "dtype"}:
        raise ValueError("not a tensor description")
    shape, stride = _ints(raw["shape"]), _ints(raw["stride"])
    if len(shape) != len(stride) or len(shape) > _MAX_DIMS:
        raise ValueError("shape and stride differ in length")
    if raw["dtype"] not in DTYPES:
        raise ValueError("unknown dtype")
    if type(raw["offset"]) is not int or raw["offset"] < 0:
        raise ValueError("bad offset")
    desc = TensorDesc(offset=raw["offset"], shape=shape, stride=stride, dtype=raw["dtype"])
    if desc.offset + desc.span_elements() * itemsize(desc.dtype) > region_bytes:
        raise ValueError("outside of the region")
    if desc.offset % itemsize(desc.dtype):
        raise ValueError("misaligned")
    return desc


def _ints(raw: Any) -> tuple[int, ...]:
    if not isinstance(raw, list) or not all(type(n) is int and 0 <= n < 2**48 for n in raw):
        raise ValueError("not a list of sizes")
    return tuple(raw)


def itemsize(dtype: str) -> int:
    """Bytes of one element."""
    if dtype in ("bool", "int8", "uint8") or dtype.startswith("float8"):
        return 1
    if dtype == "bfloat16":
        return 2
    bits = int("".join(c for c in dtype if c.isdigit()))
    return bits // 8


def torch_dtype(name: str) -> torch.dtype:
    """Return the torch dtype of that name."""
    import torch

    dtype = getattr(torch, name)
    assert isinstance(dtype, torch.dtype)
    return dtype


def dtype_name(dtype: torch.dtype) -> str:
    """Return the name without ``torch.``."""
    return str(dtype).removeprefix("torch.")


def view(base: torch.Tensor, desc: TensorDesc) -> torch.Tensor:
    """Read `desc` from `base`, a flat uint8 tensor over the whole region, without a copy."""
    dtype = torch_dtype(desc.dtype)
    count = desc.span_elements()
    start = desc.offset
    flat = base[start : start + count * dtype.itemsize].view(dtype)
    return flat.as_strided(desc.shape, desc.stride)
