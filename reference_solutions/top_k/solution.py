import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.autotune(
    configs=[
        triton.Config({"BLOCK": 1024, "STAGES": 3}, num_warps=4),
        triton.Config({"BLOCK": 2048, "STAGES": 3}, num_warps=4),
        triton.Config({"BLOCK": 4096, "STAGES": 2}, num_warps=8),
    ],
    key=["columns"],
)
@triton.jit
def _largest_of_rows(
    x_ptr,
    out_ptr,
    columns,
    k,
    stride_x_row,
    ACC: tl.constexpr,
    K: tl.constexpr,
    BLOCK: tl.constexpr,
    STAGES: tl.constexpr,
):
    """
    One program reads one row once and keeps the largest K so far, in any order.

    A block is searched as long as its largest element beats the worst that is kept: rarely, after the first.
    """
    row = tl.program_id(0).to(tl.int64)
    x_row = x_ptr + row * stride_x_row
    offsets = tl.arange(0, BLOCK)
    places = tl.arange(0, K)
    best = tl.full([K], -float("inf"), ACC)
    worst = tl.min(best, axis=0)
    for start in tl.range(0, columns, BLOCK, num_stages=STAGES):
        index = start + offsets
        x = tl.load(
            x_row + index, mask=index < columns, other=-float("inf"), eviction_policy="evict_first"
        ).to(ACC)
        largest = tl.max(x, axis=0)
        while largest > worst:
            slot = tl.min(tl.where(best == worst, places, K), axis=0)
            best = tl.where(places == slot, largest, best)
            worst = tl.min(best, axis=0)
            first = tl.min(tl.where(x == largest, offsets, BLOCK), axis=0)
            x = tl.where(offsets == first, -float("inf"), x)
            largest = tl.max(x, axis=0)
    before = (best[None, :] > best[:, None]) | ((best[None, :] == best[:, None]) & (places[None, :] < places[:, None]))
    rank = tl.sum(before.to(tl.int32), axis=1)
    tl.store(out_ptr + row * k + rank, best, mask=rank < k)


def top_k(x: torch.Tensor, k: int) -> torch.Tensor:
    """The k largest elements along the last dimension, largest first."""
    columns = x.shape[-1]
    out = torch.empty((*x.shape[:-1], k), device=x.device, dtype=x.dtype)
    if out.numel() == 0:
        return out
    rows = x.reshape(-1, columns)
    if rows.stride(1) != 1:
        rows = rows.contiguous()
    kept = max(2, triton.next_power_of_2(k))
    acc = tl.float64 if x.dtype == torch.float64 else tl.float32
    _largest_of_rows[(rows.shape[0],)](rows, out, columns, k, rows.stride(0), ACC=acc, K=kept)
    return out


class ModelNew(nn.Module):
    def __init__(self, k):
        super().__init__()
        self.k = k

    def forward(self, x):
        return top_k(x, self.k)
