"""Reductions and scans by a candidate's own function, in the interpreter: blocks at once, in log2 steps.

Triton's interpreter calls the function once for every element. On a GPU elements are joined in a tree, so
that the function must be associative; it need not be commutative.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def install(interpreter: Any) -> None:
    """Put this in front of the module `triton.runtime.interpreter`."""
    interpreter.ReduceOps.generic_reduce = _reduce
    interpreter.ScanOps.generic_scan = _scan


def _reduce(reduction: Any, values: Any) -> list[Any]:
    dtypes = [value.dtype for value in values]
    blocks = [value.handle.data for value in values]
    rank, axis = blocks[0].ndim, reduction.axis
    if axis is None:
        blocks, axis = [block.reshape(-1) for block in blocks], 0
    while blocks[0].shape[axis] > 1:
        first, second = ([_every_other(block, axis, start) for block in blocks] for start in (0, 1))
        blocks = _combined(reduction, first, second, dtypes)
    if not reduction.keep_dims:
        blocks = [block.squeeze(axis) for block in blocks]
    elif reduction.axis is None:
        blocks = [block.reshape((1,) * rank) for block in blocks]
    return [_tensor(reduction, block, dtype) for block, dtype in zip(blocks, dtypes, strict=True)]


def _scan(scan: Any, values: Any) -> list[Any]:
    dtypes = [value.dtype for value in values]
    blocks = [value.handle.data for value in values]
    places = np.indices(blocks[0].shape)[scan.axis]
    step = 1
    while step < blocks[0].shape[scan.axis]:
        earlier = [np.roll(block, step, scan.axis) for block in blocks]
        joined = _combined(scan, earlier, blocks, dtypes)
        blocks = [np.where(places < step, old, new) for old, new in zip(blocks, joined, strict=True)]
        step *= 2
    return [_tensor(scan, block, dtype) for block, dtype in zip(blocks, dtypes, strict=True)]


def _every_other(block: np.ndarray[Any, Any], axis: int, start: int) -> np.ndarray[Any, Any]:
    return block[(slice(None),) * axis + (slice(start, None, 2),)]


def _combined(
    operation: Any, first: list[Any], second: list[Any], dtypes: list[Any]
) -> list[np.ndarray[Any, Any]]:
    """Call the candidate's function on what comes earlier and what comes later."""
    shape = first[0].shape
    arguments = [
        operation.to_tensor(np.ascontiguousarray(block), dtype)
        for block, dtype in zip([*first, *second], dtypes * 2, strict=True)
    ]
    found = operation.combine_fn.fn(*arguments)
    results = found if isinstance(found, tuple) else (found,)
    blocks = [result.handle.data if hasattr(result, "handle") else np.asarray(result) for result in results]
    return [np.broadcast_to(block, shape).astype(own.dtype) for block, own in zip(blocks, first, strict=True)]


def _tensor(operation: Any, block: np.ndarray[Any, Any], dtype: Any) -> Any:
    return operation.to_tensor(block if block.shape else block.item(), dtype)
