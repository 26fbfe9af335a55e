# honest: h29 each block waits by volatile loads for the one before, where there is one
# expect: accept
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def lookback(x_ptr, o_ptr, pre_ptr, flag_ptr, N, M, NB, BLOCK: tl.constexpr):
    blk = tl.program_id(0)
    row = tl.program_id(1).to(tl.int64)
    offs = blk * BLOCK + tl.arange(0, BLOCK)
    v = tl.load(x_ptr + row * N + offs - 1, mask=(offs >= 1) & (offs < M), other=0.0).to(tl.float32)
    before = 0.0
    if blk > 0:
        while tl.load(flag_ptr + row * NB + blk - 1, volatile=True) == 0:
            pass
        before = tl.load(pre_ptr + row * NB + blk - 1, volatile=True)
    tl.store(pre_ptr + row * NB + blk, before + tl.sum(v, axis=0))
    tl.debug_barrier()
    tl.atomic_xchg(flag_ptr + row * NB + blk, 1, sem="release")
    tl.store(o_ptr + row * M + offs, tl.cumsum(v, axis=0) + before, mask=offs < M)


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
        if out.numel() == 0:
            return out.movedim(-1, d)
        r, nb = out.numel() // m, triton.cdiv(m, 512)
        pre = torch.empty((r, nb), device=x.device, dtype=torch.float32)
        flags = torch.zeros((r, nb), device=x.device, dtype=torch.int32)
        lookback[(nb, r)](rows, out, pre, flags, rows.shape[-1], m, nb, BLOCK=512)
        return out.movedim(-1, d)
