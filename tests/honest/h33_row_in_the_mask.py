# honest: h33 its masks join one truth value of the row with those of the columns
# expect: accept
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def scan(x_ptr, o_ptr, R, N, M, BLOCK: tl.constexpr):
    row = tl.program_id(1) * tl.num_programs(0) + tl.program_id(0)
    carry = tl.zeros((), tl.float32)
    for start in range(0, M, BLOCK):
        offs = start + tl.arange(0, BLOCK)
        here = (row < R) & (offs < M)
        v = tl.load(x_ptr + row.to(tl.int64) * N + offs - 1, mask=here & (offs > 0), other=0.0).to(tl.float32)
        tl.store(o_ptr + row.to(tl.int64) * M + offs, tl.cumsum(v, 0) + carry, mask=here)
        carry += tl.sum(v, 0)


def _prep(x, dim):
    d = dim % x.dim()
    rows = (x if d == 0 else x[:-1]).movedim(d, -1).contiguous()
    m = rows.shape[-1] + (0 if d == 0 else 1)
    return d, rows, m, torch.empty(rows.shape[:-1] + (m,), device=x.device, dtype=x.dtype)


class ModelNew(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        d, rows, m, out = _prep(x, self.dim)
        r = out.numel() // m if m else 0
        if r:
            scan[(min(r, 4), triton.cdiv(r, 4))](rows, out, r, rows.shape[-1], m, BLOCK=256)
        return out.movedim(-1, d)
