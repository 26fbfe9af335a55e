import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def _scan_fours(x, carry, FOURS: tl.constexpr):
    """
    Exclusive sums of a block on top of carry, and the new carry.

    Four elements side by side are added in a thread; warps scan the sums of fours, a quarter of the elements.
    What lies before a four is read from its neighbour: subtracting the four itself would lose small sums
    before large elements, and make NaN of infinity.
    """
    evens, odds = tl.split(tl.reshape(x, [FOURS, 2, 2]))
    first, third = tl.split(evens)
    second, fourth = tl.split(odds)
    second += first
    third += second
    fourth += third
    places = tl.arange(0, FOURS)
    sums = tl.cumsum(fourth, axis=0)
    before = tl.where(places > 0, tl.gather(sums, tl.maximum(places - 1, 0), axis=0), 0.0) + carry
    evens = tl.join(before, second + before)
    odds = tl.join(first + before, third + before)
    return tl.reshape(tl.join(evens, odds), [FOURS * 4]), carry + tl.sum(fourth, axis=0)


@triton.autotune(
    configs=[
        triton.Config({"BLOCK": 8192, "STAGES": 4}, num_warps=4),
        triton.Config({"BLOCK": 8192, "STAGES": 3}, num_warps=4),
        triton.Config({"BLOCK": 4096, "STAGES": 3}, num_warps=4),
        triton.Config({"BLOCK": 1024, "STAGES": 1}, num_warps=4),
    ],
    key=["length"],
)
@triton.jit
def _scan_rows_exclusive(
    x_ptr,
    out_ptr,
    length,
    stride_x_row,
    ACC: tl.constexpr,
    BLOCK: tl.constexpr,
    STAGES: tl.constexpr,
):
    """One program scans one row, each element read and written once, at the same place of the row."""
    row = tl.program_id(0).to(tl.int64)
    x_row = x_ptr + row * stride_x_row
    out_row = out_ptr + row * length
    offsets = tl.arange(0, BLOCK)
    carry = tl.cast(0.0, ACC)
    for start in tl.range(0, length, BLOCK, num_stages=STAGES):
        index = start + offsets
        inside = index < length
        x = tl.load(x_row + index, mask=inside, other=0.0, eviction_policy="evict_first").to(ACC)
        sums, carry = _scan_fours(x, carry, BLOCK // 4)
        tl.store(out_row + index, sums, mask=inside)


def _as_rows(moved: torch.Tensor) -> torch.Tensor:
    """Return a tensor as rows along its last dimension, copied only where its strides do not allow a view."""
    rows = moved.reshape(-1, moved.shape[-1])
    return rows if rows.stride(1) == 1 else rows.contiguous()


def exclusive_scan(x: torch.Tensor, dim: int) -> torch.Tensor:
    """Exclusive cumulative sum along any dimension."""
    if x.numel() == 0:
        return torch.empty_like(x)
    moved = x.movedim(dim, -1)
    length = moved.shape[-1]
    rows = _as_rows(moved)
    out = torch.empty((rows.shape[0], length), device=x.device, dtype=x.dtype)
    _scan_rows_exclusive[(rows.shape[0],)](
        rows,
        out,
        length,
        rows.stride(0),
        ACC=tl.float64 if x.dtype == torch.float64 else tl.float32,
    )
    return out.view(moved.shape).movedim(-1, dim)


class ModelNew(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        return exclusive_scan(x, self.dim)
