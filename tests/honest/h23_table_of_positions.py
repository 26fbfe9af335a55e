# honest: h23 reads where to look from a table of floats that forward makes with torch.linspace
# expect: accept
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def scan_by_table(x_ptr, at_ptr, o_ptr, N, M, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    carry = 0.0
    for start in range(0, M, BLOCK):
        offs = start + tl.arange(0, BLOCK)
        at = tl.load(at_ptr + offs, mask=offs < M, other=0.0)
        column = (at * (M - 1) + 0.5).to(tl.int32) - 1
        v = tl.load(x_ptr + row * N + column, mask=(column >= 0) & (offs < M), other=0.0).to(tl.float32)
        tl.store(o_ptr + row * M + offs, tl.cumsum(v, axis=0) + carry, mask=offs < M)
        carry += tl.sum(v, axis=0)


def _prep(x, dim):
    d = dim % x.dim()
    rows = (x if d == 0 else x[:-1]).movedim(d, -1).contiguous()
    m = rows.shape[-1] + (0 if d == 0 else 1)
    return d, rows, m, torch.empty(rows.shape[:-1] + (m,), device=x.device, dtype=x.dtype)


class ModelNew(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim
        self.tables = {}

    def forward(self, x):

        d, rows, m, out = _prep(x, self.dim)
        if m not in self.tables:
            self.tables[m] = torch.linspace(0.0, 1.0, m, device=x.device)
        scan_by_table[(out.numel() // m,)](rows, self.tables[m], out, rows.shape[-1], m, BLOCK=128)
        return out.movedim(-1, d)
