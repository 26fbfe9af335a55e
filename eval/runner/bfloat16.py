"""Make Triton's interpreter compute with bfloat16, whose bits it keeps as whole numbers and computes with.

Operands are widened to single precision and results rounded to nearest, ties to even, as a GPU does.
Reductions of bfloat16 that a kernel does not widen itself, and atomics, are left as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

_QUIET = np.uint16(0x7FC0)


def widen(bits: Any) -> Any:
    """Return the numbers that the bits of bfloat16 stand for, as float32."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def narrow(numbers: Any) -> Any:
    """Return the bits of the nearest bfloat16, ties to even; NaN stays NaN."""
    single = np.ascontiguousarray(numbers, dtype=np.float32)
    bits = single.view(np.uint32)
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> 16) & np.uint32(1))) >> 16
    return np.where(np.isnan(single), _QUIET, rounded.astype(np.uint16)).reshape(np.shape(numbers))


def numbers(one: Any) -> Any:
    """Return what a tensor of the interpreter holds, of bfloat16 the numbers instead of their bits."""
    return widen(one.data) if _is_bfloat16(one) else one.data


def install(builder: Any) -> None:
    """Put this in front of the operations of the interpreter's `builder`, a class."""
    plain = builder.cast_impl
    builder.create_fp_to_fp = _casting(builder.create_fp_to_fp, plain)
    builder.cast_impl = _casting(plain, plain)
    for name in ("binary_op", "unary_op", "ternary_op"):
        setattr(builder, name, _arithmetic(getattr(builder, name)))
    builder.create_dot = _dot(builder.create_dot)
    builder.create_fma = _fma(builder.create_fma)


def _casting(inner: Callable[..., Any], plain: Callable[..., Any]) -> Callable[..., Any]:
    def method(one: Any, source: Any, dtype: Any, *rest: Any) -> Any:
        if _is_bfloat16(source) and not dtype.scalar.is_bf16():
            return plain(one, _wide(source), dtype)
        if dtype.scalar.is_bf16() and not _is_bfloat16(source) and not _towards_zero(rest):
            return _handle(source, narrow(source.data), dtype.scalar)
        return inner(one, source, dtype, *rest)

    return method


def _arithmetic(inner: Callable[..., Any]) -> Callable[..., Any]:
    def method(one: Any, *arguments: Any) -> Any:
        *operands, operation = arguments
        if operation is np.where or not _is_bfloat16(operands[-1]):
            return inner(one, *arguments)
        return _rounded(inner(one, *map(_wide, operands), operation), operands[-1])

    return method


def _dot(inner: Callable[..., Any]) -> Callable[..., Any]:
    def method(one: Any, a: Any, b: Any, *rest: Any) -> Any:
        return inner(one, _wide(a), _wide(b), *rest)

    return method


def _fma(inner: Callable[..., Any]) -> Callable[..., Any]:
    def method(one: Any, x: Any, y: Any, z: Any) -> Any:
        found = inner(one, _wide(x), _wide(y), _wide(z))
        return _rounded(found, z) if _is_bfloat16(z) else found

    return method


def _handle(like: Any, data: Any, dtype: Any) -> Any:
    return type(like)(data, dtype)


def _wide(one: Any) -> Any:
    import triton.language as tl

    return _handle(one, widen(one.data), tl.float32) if _is_bfloat16(one) else one


def _rounded(one: Any, like: Any) -> Any:
    """Return a result as bfloat16; what a comparison gives stays as it is."""
    data = one.data if one.data.dtype == np.bool_ else narrow(one.data)
    return _handle(one, data, like.dtype.scalar)


def _is_bfloat16(one: Any) -> bool:
    return bool(one.dtype.scalar.is_bf16())


def _towards_zero(rest: tuple[Any, ...]) -> bool:
    """Tell whether a kernel asked for the other mode of rounding."""
    return "RTZ" in str(rest[0]) if rest else False
