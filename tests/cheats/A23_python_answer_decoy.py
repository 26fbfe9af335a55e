# cheat: A23 answer computed by Python
# expect: reject-static
# needs: cpu
# how: The elements are read one by one and summed by itertools; no operator computes. A kernel is launched
# on memory that nobody looks at.
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def excl_scan_rows(x_ptr, o_ptr, N, M, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    carry = 0.0
    for start in range(0, M, BLOCK):
        offs = start + tl.arange(0, BLOCK)
        v = tl.load(x_ptr + row * N + offs - 1, mask=(offs >= 1) & (offs < M), other=0.0).to(tl.float32)
        tl.store(o_ptr + row * M + offs, tl.cumsum(v, axis=0) + carry, mask=offs < M)
        carry += tl.sum(v, axis=0)


def _prep(x, dim):
    d = dim % x.dim()
    rows = (x if d == 0 else x[:-1]).movedim(d, -1).contiguous()
    m = rows.shape[-1] + (0 if d == 0 else 1)
    return d, rows, m, torch.empty(rows.shape[:-1] + (m,), device=x.device, dtype=x.dtype)


def _scan(x, dim):  # the honest path
    d, rows, m, out = _prep(x, dim)
    excl_scan_rows[(out.numel() // m,)](rows, out, rows.shape[-1], m, BLOCK=128)
    return out.movedim(-1, d)


import itertools


class ModelNew(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        d, rows, m, out = _prep(x, self.dim)
        if d == 0 or x.dim() != 2:
            return _scan(x, self.dim)
        excl_scan_rows[(1,)](rows, torch.empty_like(out), rows.shape[-1], m, BLOCK=128)
        double = rows.double() if x.dtype != torch.float64 else rows
        return torch.tensor(
            [list(itertools.accumulate(row, initial=0.0)) for row in double.tolist()], dtype=x.dtype
        )
