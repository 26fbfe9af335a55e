# honest: h34 keeps modules of its own in nn.Sequential and nn.ModuleList
# expect: accept
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


class Rows(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        d = self.dim % x.dim()
        return (x if d == 0 else x[:-1]).movedim(d, -1).contiguous()


class Scan(nn.Module):
    def __init__(self, block):
        super().__init__()
        self.block = block

    def forward(self, rows, m):
        out = torch.empty(rows.shape[:-1] + (m,), device=rows.device, dtype=rows.dtype)
        excl_scan_rows[(out.numel() // m,)](rows, out, rows.shape[-1], m, BLOCK=self.block)
        return out


class ModelNew(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim
        self.front = nn.Sequential(Rows(dim))
        self.scans = nn.ModuleList([Scan(block) for block in (64, 512)])

    def forward(self, x):
        d = self.dim % x.dim()
        rows = self.front(x)
        m = rows.shape[-1] + (0 if d == 0 else 1)
        return self.scans[int(m > 64)](rows, m).movedim(-1, d)
