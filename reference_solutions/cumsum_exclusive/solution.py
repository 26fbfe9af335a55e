import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def _scan_fours(x, carry, FOURS: tl.constexpr):
    """
    Inclusive sums of a block on top of carry, and the new carry.

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
    evens = tl.join(first + before, third + before)
    odds = tl.join(second + before, fourth + before)
    return tl.reshape(tl.join(evens, odds), [FOURS * 4]), carry + tl.sum(fourth, axis=0)


@triton.jit
def _exclusive_scan_rows(
    x_ptr,
    out_ptr,
    n_scan,
    stride_x_row,
    stride_out_row,
    ACC: tl.constexpr,
    BLOCK: tl.constexpr,
    STAGES: tl.constexpr,
):
    """
    One program scans one row in a single pass: out[0] = 0, out[j + 1] = x[0] + ... + x[j].

    The zero that the reference prepends is never materialised. Loads stay aligned; only the stores are
    shifted by one element.
    """
    row = tl.program_id(0).to(tl.int64)
    x_row = x_ptr + row * stride_x_row
    out_row = out_ptr + row * stride_out_row
    carry = tl.cast(0.0, ACC)
    tl.store(out_row, carry)

    offsets = tl.arange(0, BLOCK)
    for start in tl.range(0, n_scan, BLOCK, num_stages=STAGES):
        index = start + offsets
        mask = index < n_scan
        x = tl.load(x_row + index, mask=mask, other=0.0, eviction_policy="evict_first").to(ACC)
        sums, carry = _scan_fours(x, carry, BLOCK // 4)
        tl.store(out_row + 1 + index, sums, mask=mask)


def _scan_rows(rows: torch.Tensor, n_scan: int) -> torch.Tensor:
    """Scan the first n_scan elements of each row of a 2-D tensor with unit stride in its last dimension."""
    out = torch.empty((rows.shape[0], n_scan + 1), device=rows.device, dtype=rows.dtype)
    if out.numel() == 0:
        return out
    block = min(8192, max(128, triton.next_power_of_2(n_scan)))
    _exclusive_scan_rows[(rows.shape[0],)](
        rows,
        out,
        n_scan,
        rows.stride(0),
        out.stride(0),
        ACC=tl.float64 if rows.dtype == torch.float64 else tl.float32,
        BLOCK=block,
        STAGES=3,
        num_warps=4,
    )
    return out


def exclusive_cumsum(x: torch.Tensor, dim: int) -> torch.Tensor:
    """cumsum(cat((zeros, x), dim)[:-1], dim): the slice always drops the last entry of dimension 0."""
    dim = dim % x.dim()
    if x.shape[0] == 0 and dim != 0:
        shape = list(x.shape)
        shape[dim] += 1
        return torch.empty(shape, device=x.device, dtype=x.dtype)
    source = x if dim == 0 else x[:-1]
    length = x.shape[dim]
    n_scan = max(length - 1, 0) if dim == 0 else length
    if length == 0 and dim == 0:
        return torch.empty_like(x)

    moved = source.movedim(dim, -1)
    lead = moved.shape[:-1]
    rows = moved.reshape(lead.numel(), length)
    if rows.stride(1) != 1:
        rows = rows.contiguous()
    return _scan_rows(rows, n_scan).view(lead + (n_scan + 1,)).movedim(-1, dim)


class ModelNew(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        return exclusive_cumsum(x, self.dim)
