import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def _exclusive_scan_rows(
    x_ptr,
    out_ptr,
    n_scan,
    stride_x_row,
    stride_out_row,
    ACC: tl.constexpr,
    LINE: tl.constexpr,
    BLOCK: tl.constexpr,
    STAGES: tl.constexpr,
):
    """
    One program scans one row in a single pass: out[0] = 0, out[j + 1] = x[0] + ... + x[j].

    The zero that the reference prepends is never materialised. Rows of the output begin anywhere: up to LINE
    elements before its first and behind its last whole line are scanned apart, so that all other stores are
    aligned and whole; loads are not. A warp scans a group of 128 elements by itself, and only the groups' sums
    meet in shared memory. What lies before a group is read from its neighbour: subtracting its own sum would
    lose small sums before large elements, and make NaN of infinity. With `evict_last` on what is read once an
    H200 moves 2 to 3 % more in a second than without.
    """
    row = tl.program_id(0).to(tl.int64)
    begin = row * stride_out_row
    x_row = x_ptr + row * stride_x_row
    out_row = out_ptr + begin
    head = tl.minimum((LINE - begin % LINE).to(tl.int32), n_scan + 1)
    whole = (n_scan + 1 - head) // LINE * LINE

    few = tl.arange(0, LINE)
    first = tl.load(x_row + few - 1, mask=(few > 0) & (few < head), other=0.0).to(ACC)
    tl.store(out_row + few, tl.cumsum(first, axis=0), mask=few < head)
    carry = tl.sum(first, axis=0)

    out_line = out_ptr + (begin // LINE + 1) * LINE
    fours = tl.arange(0, BLOCK // 4)[:, None] * 4
    groups = tl.arange(0, BLOCK // 128)
    for start in tl.range(0, whole, BLOCK, num_stages=STAGES):
        index = start + fours + tl.arange(0, 4)[None, :]
        mask = start + fours < whole
        x = tl.load(x_row + (head - 1) + index, mask=mask, other=0.0, eviction_policy="evict_last").to(ACC)
        x = tl.reshape(x, [BLOCK // 128, 128])
        sums = tl.sum(x, axis=1)
        before = tl.gather(tl.cumsum(sums, axis=0), tl.maximum(groups - 1, 0), axis=0)
        before = tl.where(groups > 0, before, 0.0) + carry
        scanned = tl.cumsum(x, axis=1) + before[:, None]
        tl.store(out_line + index, tl.reshape(scanned, [BLOCK // 4, 4]), mask=mask)
        carry += tl.sum(sums, axis=0)

    rest = head + whole + few
    last = tl.load(x_row + rest - 1, mask=rest <= n_scan, other=0.0).to(ACC)
    tl.store(out_row + rest, tl.cumsum(last, axis=0) + carry, mask=rest <= n_scan)


def _scan_rows(rows: torch.Tensor, n_scan: int) -> torch.Tensor:
    """Scan the first n_scan elements of each row of a 2-D tensor with unit stride in its last dimension."""
    out = torch.empty((rows.shape[0], n_scan + 1), device=rows.device, dtype=rows.dtype)
    if out.numel() == 0:
        return out
    block = min(8192, max(256, triton.next_power_of_2(n_scan)))
    _exclusive_scan_rows[(rows.shape[0],)](
        rows,
        out,
        n_scan,
        rows.stride(0),
        out.stride(0),
        ACC=tl.float64 if rows.dtype == torch.float64 else tl.float32,
        LINE=8,
        BLOCK=block,
        STAGES=1,
        num_warps=8,
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
