# honest: h26 gives its kernel a function of Triton and a type to work with
# expect: accept
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def add(a, b):
    return a + b


@triton.jit
def scan_with(x_ptr, o_ptr, N, M, COMBINE: tl.constexpr, KIND: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    carry = tl.zeros((), KIND)
    for start in range(0, M, BLOCK):
        offs = start + tl.arange(0, BLOCK)
        v = tl.load(x_ptr + row * N + offs - 1, mask=(offs >= 1) & (offs < M), other=0.0).to(KIND)
        tl.store(o_ptr + row * M + offs, COMBINE(tl.cumsum(v, axis=0), carry), mask=offs < M)
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
        grid = (out.numel() // m,)
        scan_with[grid](rows, out, rows.shape[-1], m, COMBINE=add, KIND=tl.float32, BLOCK=64)
        return out.movedim(-1, d)
