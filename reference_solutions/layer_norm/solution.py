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
    bias_ptr,
    out_ptr,
    rows,
    columns,
    stride_x_row,
    eps: tl.constexpr,
    ACC: tl.constexpr,
    BLOCK: tl.constexpr,
    ROWS: tl.constexpr,
):
    """One program keeps weight and bias in registers and takes a few rows, each read and written once."""
    offsets = tl.arange(0, BLOCK)
    inside = offsets < columns
    weight = tl.load(weight_ptr + offsets, mask=inside, other=0.0, eviction_policy="evict_last").to(ACC)
    bias = tl.load(bias_ptr + offsets, mask=inside, other=0.0, eviction_policy="evict_last").to(ACC)
    first = tl.program_id(0).to(tl.int64) * ROWS
    for row in tl.range(first, min(first + ROWS, rows), num_stages=2):
        x = tl.load(x_ptr + row * stride_x_row + offsets, mask=inside, other=0.0).to(ACC)
        centred = tl.where(inside, x - tl.sum(x, axis=0) / columns, 0.0)
        factor = 1.0 / tl.sqrt(tl.sum(centred * centred, axis=0) / columns + eps)
        tl.store(out_ptr + row * columns + offsets, centred * factor * weight + bias, mask=inside)


@triton.jit
def _read(row, index, columns, ACC: tl.constexpr, EVEN: tl.constexpr, KEPT: tl.constexpr):
    """Elements of a row, zero past its end, where blocks are not even."""
    if EVEN:
        x = tl.load(row + index, eviction_policy=KEPT)
    else:
        x = tl.load(row + index, mask=index < columns, other=0.0, eviction_policy=KEPT)
    return x.to(ACC)


@triton.jit
def _write(row, index, columns, y, EVEN: tl.constexpr, KEPT: tl.constexpr):
    if EVEN:
        tl.store(row + index, y, eviction_policy=KEPT)
    else:
        tl.store(row + index, y, mask=index < columns, eviction_policy=KEPT)


@triton.autotune(
    configs=[
        triton.Config({"BLOCK": 4096}, num_warps=16),
        triton.Config({"BLOCK": 2048}, num_warps=16),
        triton.Config({"BLOCK": 8192}, num_warps=16),
        triton.Config({"BLOCK": 8192}, num_warps=32),
    ],
    key=["columns"],
)
@triton.heuristics(
    {
        "EVEN": lambda args: args["columns"] % args["BLOCK"] == 0,
        "WHOLE": lambda args: args["columns"] <= args["BLOCK"],
    }
)
@triton.jit
def _normalise_long_rows(
    x_ptr,
    weight_ptr,
    bias_ptr,
    out_ptr,
    columns,
    stride_x_row,
    eps: tl.constexpr,
    ACC: tl.constexpr,
    BLOCK: tl.constexpr,
    EVEN: tl.constexpr,
    WHOLE: tl.constexpr,
):
    """
    Mean and deviations in one pass over the row, the answer in another, which reads from the cache.

    A lane sums how far its elements are from its first: without a division for each, and what cancels when
    the lane's mean is taken out is at most as many times the rest as the lane has elements. WHOLE: the row is
    one block, which stays in registers.
    """
    row = tl.program_id(0).to(tl.int64)
    x_row = x_ptr + row * stride_x_row
    out_row = out_ptr + row * columns
    offsets = tl.arange(0, BLOCK)
    if WHOLE:
        x = _read(x_row, offsets, columns, ACC, EVEN, "")
        centred = tl.where(offsets < columns, x - tl.sum(x, axis=0) / columns, 0.0)
        factor = 1.0 / tl.sqrt(tl.sum(centred * centred, axis=0) / columns + eps)
        weight = _read(weight_ptr, offsets, columns, ACC, EVEN, "evict_last")
        bias = _read(bias_ptr, offsets, columns, ACC, EVEN, "evict_last")
        _write(out_row, offsets, columns, centred * factor * weight + bias, EVEN, "")
    else:
        base = _read(x_row, offsets, columns, ACC, EVEN, "evict_last")
        sums = tl.zeros([BLOCK], ACC)
        squares = tl.zeros([BLOCK], ACC)
        for start in tl.range(BLOCK, columns, BLOCK, num_stages=1):
            index = start + offsets
            away = _read(x_row, index, columns, ACC, EVEN, "evict_last") - base
            away = tl.where(index < columns, away, 0.0)
            sums += away
            squares += away * away
        count = tl.cdiv(columns - offsets, BLOCK).to(ACC)
        moved = sums / count
        mean = tl.sum((base + moved) * count, axis=0) / columns
        centred = base + moved - mean
        # Squares past the largest number give an infinite deviation, as in one block, not a difference of infinities.
        squares = tl.where(squares < float("inf"), squares - sums * moved, squares)
        factor = 1.0 / tl.sqrt(tl.sum(squares + count * centred * centred, axis=0) / columns + eps)
        for start in tl.range(0, columns, BLOCK, num_stages=1):
            index = start + offsets
            x = _read(x_row, index, columns, ACC, EVEN, "evict_first")
            weight = _read(weight_ptr, index, columns, ACC, EVEN, "evict_last")
            bias = _read(bias_ptr, index, columns, ACC, EVEN, "evict_last")
            _write(out_row, index, columns, (x - mean) * factor * weight + bias, EVEN, "evict_first")


def layer_norm(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float) -> torch.Tensor:
    """Normalise along the last dimension; rows of up to 4096 elements stay in registers."""
    if x.numel() == 0:
        return torch.empty_like(x)
    columns = x.shape[-1]
    rows = x.reshape(-1, columns)
    if rows.stride(1) != 1:
        rows = rows.contiguous()
    weight, bias = weight.contiguous(), bias.contiguous()
    out = torch.empty((rows.shape[0], columns), device=x.device, dtype=x.dtype)
    acc = tl.float64 if x.dtype == torch.float64 else tl.float32
    if columns <= 4096:
        block = max(128, triton.next_power_of_2(columns))

        def grid(meta):
            return (triton.cdiv(rows.shape[0], meta["ROWS"]),)

        _normalise_rows[grid](
            rows, weight, bias, out, rows.shape[0], columns, rows.stride(0), eps=eps, ACC=acc, BLOCK=block
        )
    else:
        _normalise_long_rows[(rows.shape[0],)](
            rows, weight, bias, out, columns, rows.stride(0), eps=eps, ACC=acc
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
