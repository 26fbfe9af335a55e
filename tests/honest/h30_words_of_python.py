# honest: h30 uses and, not, min and max on blocks of elements
# expect: accept
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def scan(x_ptr, o_ptr, R, N, M, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    alive = row < R
    carry = 0.0
    for start in range(0, M, BLOCK):
        offs = start + tl.arange(0, BLOCK)
        v = tl.load(x_ptr + row.to(tl.int64) * N + offs - 1, mask=offs >= 1 and offs < min(M, N + 1) and alive, other=0.0)
        v = max(v.to(tl.float32), float("-inf"))
        tl.store(o_ptr + row.to(tl.int64) * M + offs, tl.cumsum(v, axis=0) + carry, mask=not (offs >= M) and alive)
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

    def forward(self, x):
        d, rows, m, out = _prep(x, self.dim)
        if out.numel():
            r = out.numel() // m
            scan[(r + 3,)](rows, out, r, rows.shape[-1], m, BLOCK=128)
        return out.movedim(-1, d)
