"""Large outputs are compared in blocks of rows: all one after another, or some from all over at once."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from math import prod

import torch

BITS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Integers by their bytes."""
BLOCK_ELEMENTS = 1 << 24
"""Outputs larger than this are compared in blocks where the problem allows it."""
_PLACES, _PART_OF_ROWS = 64, 32
"""In how many places a quick look is taken, and what part of all rows they are together at most."""
_LOOKED_AT = BLOCK_ELEMENTS // 4
"""Elements of a quick look: beside what is compared there are copies of inputs and outputs."""


def as_bits(tensor: torch.Tensor) -> torch.Tensor:
    """Reinterpret elements as integers of their size, which torch can gather and compare whatever they are.

    NaN equals itself then, and -0.0 is not 0.0.
    """
    kind = BITS.get(tensor.dtype.itemsize)
    return tensor.view(kind) if kind is not None else tensor


def all_blocks(output: torch.Tensor) -> list[range]:
    """Part all rows into blocks of at most `BLOCK_ELEMENTS`, or of a row where that has more."""
    rows = output.shape[0]
    step = max(1, BLOCK_ELEMENTS // max(output.numel() // rows, 1))
    return [range(start, min(start + step, rows)) for start in range(0, rows, step)]


def some_blocks(shape: Sequence[int], overlap: int = 0) -> list[range]:
    """Draw one small block from each of equal parts of the rows, all of a size.

    Each is read with `overlap` rows more.
    """
    rows = shape[0]
    affordable = max(1, _LOOKED_AT // max(prod(shape[1:]), 1))
    count = min(_PLACES, rows, max(1, affordable // (1 + overlap)))
    size = max(1, min(rows // _PART_OF_ROWS // count, affordable // count - overlap))
    drawn = []
    for part in range(count):
        start, stop = rows * part // count, rows * (part + 1) // count
        first = start + secrets.randbelow(stop - start - size + 1)
        drawn.append(range(first, first + size))
    return drawn


def gathered(tensor: torch.Tensor, blocks: list[range], overlap: int = 0) -> torch.Tensor:
    """Return the rows of each block, and the `overlap` rows behind it, one behind another."""
    rows = numbers(blocks, tensor.device, overlap)
    if blocks[-1].stop + overlap > tensor.shape[0]:
        rows = rows[rows < tensor.shape[0]]
    return as_bits(tensor).index_select(0, rows).view(tensor.dtype)


def numbers(blocks: list[range], device: torch.device, overlap: int = 0) -> torch.Tensor:
    """Return the numbers of the rows of each block, and of the `overlap` rows behind it."""
    return _numbers([block.start for block in blocks], len(blocks[0]) + overlap, device)


def places(blocks: list[range], overlap: int, device: torch.device) -> torch.Tensor:
    """Return which rows of an answer to `gathered` inputs are those of the blocks.

    The others mix rows of two blocks.
    """
    size = len(blocks[0])
    return _numbers([number * (size + overlap) for number in range(len(blocks))], size, device)


def _numbers(starts: list[int], size: int, device: torch.device) -> torch.Tensor:
    """Return `size` numbers from each of `starts` on, without waiting: blocks are all of a size."""
    first = torch.tensor(starts, pin_memory=device.type == "cuda").to(device, non_blocking=True)
    return (first[:, None] + torch.arange(size, device=device)).flatten()


def row_at(blocks: list[range], index: int) -> int:
    """Return which row of the whole is row `index` of what was gathered without overlap."""
    for block in blocks:
        if index < len(block):
            return block[index]
        index -= len(block)
    raise IndexError(index)
