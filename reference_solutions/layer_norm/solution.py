import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.autotune(
    configs=[
        triton.Config({"ROWS": 1, "STAGES": 1}, num_warps=8),
        triton.Config({"ROWS": 1, "STAGES": 1}, num_warps=16),
        triton.Config({"ROWS": 4, "STAGES": 2}, num_warps=8),
        triton.Config({"ROWS": 4, "STAGES": 2}, num_warps=16),
    ],
    key=["columns"],
)
@triton.jit
def _normalise_rows(
    x_ptr,
    weight_ptr,
    bias_ptr,
    out_ptr,
    rows,
    columns,
    stride_x_row,
    eps,
    ACC: tl.constexpr,
    BLOCK: tl.constexpr,
    ROWS: tl.constexpr,
    STAGES: tl.constexpr,
):
    """One program keeps weight and bias in registers and takes a few rows, each read and written once."""
    offsets = tl.arange(0, BLOCK)
    inside = offsets < columns
    weight = tl.load(weight_ptr + offsets, mask=inside, other=0.0, eviction_policy="evict_last").to(ACC)
    bias = tl.load(bias_ptr + offsets, mask=inside, other=0.0, eviction_policy="evict_last").to(ACC)
    first = tl.program_id(0).to(tl.int64) * ROWS
    for row in tl.range(first, min(first + ROWS, rows), num_stages=STAGES):
        x = tl.load(
            x_ptr + row * stride_x_row + offsets, mask=inside, other=0.0, eviction_policy="evict_first"
        ).to(ACC)
        centred = tl.where(inside, x - tl.sum(x, axis=0) / columns, 0.0)
        factor = 1.0 / tl.sqrt(tl.sum(centred * centred, axis=0) / columns + eps)
        tl.store(out_ptr + row * columns + offsets, centred * factor * weight + bias, mask=inside)


@triton.jit
def _normalise_long_rows(
    x_ptr,
    weight_ptr,
    bias_ptr,
    out_ptr,
    columns,
    stride_x_row,
    eps,
    ACC: tl.constexpr,
    BLOCK: tl.constexpr,
    STAGES: tl.constexpr,
):
    """A row that registers cannot hold: blocks' means and squared deviations are merged, then it is read again."""
    row = tl.program_id(0).to(tl.int64)
    x_row = x_ptr + row * stride_x_row
    offsets = tl.arange(0, BLOCK)
    mean = tl.cast(0.0, ACC)
    squares = tl.cast(0.0, ACC)
    for start in tl.range(0, columns, BLOCK, num_stages=STAGES):
        index = start + offsets
        inside = index < columns
        x = tl.load(x_row + index, mask=inside, other=0.0, eviction_policy="evict_last").to(ACC)
        count = min(BLOCK, columns - start)
        here = tl.sum(x, axis=0) / count
        centred = tl.where(inside, x - here, 0.0)
        away = here - mean
        part = tl.cast(count, ACC) / (start + count)
        squares += tl.sum(centred * centred, axis=0) + away * away * start * part
        mean += away * part
    factor = 1.0 / tl.sqrt(squares / columns + eps)
    for start in tl.range(0, columns, BLOCK, num_stages=STAGES):
        index = start + offsets
        inside = index < columns
        x = tl.load(x_row + index, mask=inside, other=0.0, eviction_policy="evict_first").to(ACC)
        weight = tl.load(weight_ptr + index, mask=inside, other=0.0, eviction_policy="evict_last").to(ACC)
        bias = tl.load(bias_ptr + index, mask=inside, other=0.0, eviction_policy="evict_last").to(ACC)
        tl.store(out_ptr + row * columns + index, (x - mean) * factor * weight + bias, mask=inside)


def layer_norm(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float) -> torch.Tensor:
    """Normalise along the last dimension; rows of up to 16384 elements stay in registers."""
    if x.numel() == 0:
        return torch.empty_like(x)
    columns = x.shape[-1]
    rows = x.reshape(-1, columns)
    if rows.stride(1) != 1:
        rows = rows.contiguous()
    weight, bias = weight.contiguous(), bias.contiguous()
    out = torch.empty((rows.shape[0], columns), device=x.device, dtype=x.dtype)
    acc = tl.float64 if x.dtype == torch.float64 else tl.float32
    if columns <= 16384:
        block = max(128, triton.next_power_of_2(columns))

        def grid(meta):
            return (triton.cdiv(rows.shape[0], meta["ROWS"]),)

        _normalise_rows[grid](
            rows, weight, bias, out, rows.shape[0], columns, rows.stride(0), eps, ACC=acc, BLOCK=block
        )
    else:
        _normalise_long_rows[(rows.shape[0],)](
            rows, weight, bias, out, columns, rows.stride(0), eps, ACC=acc, BLOCK=8192, STAGES=3, num_warps=8
        )
    return out.view(x.shape)


class ModelNew(nn.Module):
    def __init__(self, columns, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(columns))
        self.bias = nn.Parameter(torch.zeros(columns))
        self.eps = eps

    def forward(self, x):
        return layer_norm(x, self.weight, self.bias, self.eps)
