import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.autotune(
    configs=[
        triton.Config({"ROWS": 1}, num_warps=4),
        triton.Config({"ROWS": 1}, num_warps=8),
        triton.Config({"ROWS": 1}, num_warps=16),
        triton.Config({"ROWS": 4}, num_warps=8),
    ],
    key=["columns"],
)
@triton.jit
def _normalise_rows(
    x_ptr,
    weight_ptr,
    out_ptr,
    rows,
    columns,
    stride_x_row,
    eps: tl.constexpr,
    ACC: tl.constexpr,
    BLOCK: tl.constexpr,
    ROWS: tl.constexpr,
):
    """One program keeps the weights in registers and takes a few rows, each read and written once."""
    offsets = tl.arange(0, BLOCK)
    inside = offsets < columns
    weight = tl.load(weight_ptr + offsets, mask=inside, other=0.0, eviction_policy="evict_last").to(ACC)
    first = tl.program_id(0).to(tl.int64) * ROWS
    for row in tl.range(first, min(first + ROWS, rows), num_stages=2):
        x = tl.load(x_ptr + row * stride_x_row + offsets, mask=inside, other=0.0).to(ACC)
        factor = 1.0 / tl.sqrt(tl.sum(x * x, axis=0) / columns + eps)
        tl.store(out_ptr + row * columns + offsets, x * factor * weight, mask=inside)


@triton.autotune(
    configs=[
        triton.Config({"BLOCK": 4096}, num_warps=16),
        triton.Config({"BLOCK": 2048}, num_warps=16),
        triton.Config({"BLOCK": 2048}, num_warps=8),
    ],
    key=["columns"],
)
@triton.jit
def _normalise_long_rows(
    x_ptr,
    weight_ptr,
    out_ptr,
    columns,
    stride_x_row,
    eps: tl.constexpr,
    ACC: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """
    A row is read twice, the second time from the cache.

    Few registers a thread let many warps share a processor; what is written leaves the cache first.
    """
    row = tl.program_id(0).to(tl.int64)
    x_row = x_ptr + row * stride_x_row
    offsets = tl.arange(0, BLOCK)
    squares = tl.zeros([BLOCK], ACC)
    for start in tl.range(0, columns, BLOCK, num_stages=1):
        index = start + offsets
        x = tl.load(x_row + index, mask=index < columns, other=0.0, eviction_policy="evict_last").to(ACC)
        squares += x * x
    factor = 1.0 / tl.sqrt(tl.sum(squares, axis=0) / columns + eps)
    for start in tl.range(0, columns, BLOCK, num_stages=1):
        index = start + offsets
        inside = index < columns
        x = tl.load(x_row + index, mask=inside, other=0.0, eviction_policy="evict_first").to(ACC)
        weight = tl.load(weight_ptr + index, mask=inside, other=0.0, eviction_policy="evict_last").to(ACC)
        tl.store(out_ptr + row * columns + index, x * factor * weight, mask=inside, eviction_policy="evict_first")


def rms_norm(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """Normalise along the last dimension; rows of up to 4096 elements stay in registers."""
    if x.numel() == 0:
        return torch.empty_like(x)
    columns = x.shape[-1]
    rows = x.reshape(-1, columns)
    if rows.stride(1) != 1:
        rows = rows.contiguous()
    weight = weight.contiguous()
    out = torch.empty((rows.shape[0], columns), device=x.device, dtype=x.dtype)
    acc = tl.float64 if x.dtype == torch.float64 else tl.float32
    if columns <= 4096:
        block = max(128, triton.next_power_of_2(columns))

        def grid(meta):
            return (triton.cdiv(rows.shape[0], meta["ROWS"]),)

        _normalise_rows[grid](
            rows, weight, out, rows.shape[0], columns, rows.stride(0), eps, ACC=acc, BLOCK=block
        )
    else:
        _normalise_long_rows[(rows.shape[0],)](rows, weight, out, columns, rows.stride(0), eps, ACC=acc)
    return out.view(x.shape)


class ModelNew(nn.Module):
    def __init__(self, eps):
        super().__init__()
        self.eps = eps

    def forward(self, x, weight):
        return rms_norm(x, weight, self.eps)
