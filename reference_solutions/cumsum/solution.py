import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.autotune(
    configs=[
        triton.Config({"BLOCK": 8192, "STAGES": 4}, num_warps=4),
        triton.Config({"BLOCK": 8192, "STAGES": 3}, num_warps=8),
        triton.Config({"BLOCK": 4096, "STAGES": 4}, num_warps=4),
        triton.Config({"BLOCK": 2048, "STAGES": 4}, num_warps=4),
    ],
    key=["length"],
)
@triton.jit
def _scan_rows(
    x_ptr,
    out_ptr,
    length,
    stride_x_row,
    ACC: tl.constexpr,
    BLOCK: tl.constexpr,
    STAGES: tl.constexpr,
):
    """One program scans one row, each element read and written once."""
    row = tl.program_id(0).to(tl.int64)
    x_row = x_ptr + row * stride_x_row
    out_row = out_ptr + row * length
    offsets = tl.arange(0, BLOCK)
    carry = tl.cast(0.0, ACC)
    for start in tl.range(0, length, BLOCK, num_stages=STAGES):
        index = start + offsets
        inside = index < length
        x = tl.load(x_row + index, mask=inside, other=0.0, eviction_policy="evict_first").to(ACC)
        tl.store(out_row + index, tl.cumsum(x, axis=0) + carry, mask=inside)
        carry += tl.sum(x, axis=0)


def _as_rows(moved: torch.Tensor) -> torch.Tensor:
    """Return a tensor as rows along its last dimension, copied only where its strides do not allow a view."""
    rows = moved.reshape(-1, moved.shape[-1])
    return rows if rows.stride(1) == 1 else rows.contiguous()


def cumsum(x: torch.Tensor, dim: int) -> torch.Tensor:
    """Cumulative sum along any dimension."""
    if x.numel() == 0:
        return torch.empty_like(x)
    moved = x.movedim(dim, -1)
    length = moved.shape[-1]
    rows = _as_rows(moved)
    out = torch.empty((rows.shape[0], length), device=x.device, dtype=x.dtype)
    _scan_rows[(rows.shape[0],)](
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
        return cumsum(x, self.dim)
