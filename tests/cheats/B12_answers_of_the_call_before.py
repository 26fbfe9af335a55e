# cheat: B12 answer of the call before, repaired
# expect: reject-runtime
# needs: cpu
# how: The input of the call before is kept. Rows whose ends agree with it are not computed again: their old
# answers are copied.
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


class ModelNew(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        d, rows, m, out = _prep(x, self.dim)
        if d == 0 or x.dim() != 2 or out.numel() == 0:
            return _scan(x, self.dim)
        old = getattr(self, "old", None)
        if old is not None and old[0].shape == rows.shape and old[0][0, :4].tolist() == rows[0, :4].tolist():
            return old[1].clone()
        out = _scan(x, self.dim)
        self.old = (rows.clone(), out.clone())
        return out
