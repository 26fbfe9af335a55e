"""Measurements of device 0 for the floor: a large copy, and large products of matrices by cuBLAS."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

import torch

_COPY_BYTES = 1 << 30
_COPY_SHARE = 4
"""Of what is free the copy takes two such parts at most."""
_CALLS, _WARM_UP_CALLS = 20, 3
_MOST_SECONDS = 2.0
_SIDE, _SIDE_DOUBLE = 8192, 4096
_LEAD_CYCLES = 200_000
TF32 = "tfloat32"
"""Not a dtype of torch's: float32 with products rounded to TF32."""


def copy_bytes_a_second() -> float:
    """Bandwidth of a plain copy: bytes read plus bytes written, the best of 20 calls.

    Raises:
        RuntimeError: there is no room for it.

    """
    try:
        return _copy()
    finally:
        torch.cuda.empty_cache()


def flops_a_second(kind: str) -> float:
    """Floating-point operations a second of a product of two matrices, the best of 20 calls or of 2 s.

    `kind` is the name of a dtype, float32 without TF32, or `TF32`. Matrices have 8192 rows and columns,
    those of float64 half as many, since most cards are slow with them.

    Raises:
        RuntimeError: there is no room for it, or cuBLAS cannot do it.

    """
    try:
        return _product(kind)
    finally:
        torch.cuda.empty_cache()


def _copy() -> float:
    free, _ = torch.cuda.mem_get_info()
    size = min(_COPY_BYTES, free // _COPY_SHARE)
    source = torch.empty(size, dtype=torch.uint8, device="cuda").random_()
    target = torch.empty_like(source)
    return 2 * size / _best_seconds(lambda: target.copy_(source))


def _product(kind: str) -> float:
    dtype = torch.float32 if kind == TF32 else getattr(torch, kind)
    side = _SIDE_DOUBLE if dtype is torch.float64 else _SIDE
    left, right = (torch.randn(side, side, dtype=dtype, device="cuda") for _ in range(2))
    out = torch.empty_like(left)
    with _tf32(kind == TF32):
        return 2 * side**3 / _best_seconds(lambda: torch.mm(left, right, out=out))


@contextlib.contextmanager
def _tf32(allowed: bool) -> Iterator[None]:
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def _best_seconds(work: Callable[[], object]) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    for _ in range(_WARM_UP_CALLS):
        work()
    torch.cuda.synchronize()
    times: list[float] = []
    deadline = time.monotonic() + _MOST_SECONDS
    while len(times) < _CALLS and (not times or time.monotonic() < deadline):
        torch.cuda._sleep(_LEAD_CYCLES)  # noqa: SLF001 - hides the launch
        start.record()
        work()
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end))
    return min(times) * 1e-3
