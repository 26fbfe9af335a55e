# honest: h36 adds in PTX: only a GPU can run it
# expect: accept
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def scan(x_ptr, o_ptr, N, M, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    carry = 0.0
    for start in range(0, M, BLOCK):
        offs = start + tl.arange(0, BLOCK)
        v = tl.load(x_ptr + row * N + offs - 1, mask=(offs >= 1) & (offs < M), other=0.0).to(tl.float32)
        s = tl.inline_asm_elementwise("add.f32 $0, $1, $2;", "=f,f,f", [tl.cumsum(v, axis=0), carry], dtype=tl.float32, is_pure=True, pack=1)
        tl.store(o_ptr + row * M + offs, s, mask=offs < M)
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
            scan[(out.numel() // m,)](rows, out, rows.shape[-1], m, BLOCK=128)
        return out.movedim(-1, d)
