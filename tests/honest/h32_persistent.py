# honest: h32 few programs take many rows, and widen what their loop counts
# expect: accept
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def scan(x_ptr, o_ptr, R, N, M, BLOCK: tl.constexpr):
    for row in tl.range(tl.program_id(0), R, tl.num_programs(0), flatten=True):
        base_x = x_ptr + row.to(tl.int64) * N
        base_o = o_ptr + row.to(tl.int64) * M
        carry = 0.0
        for start in range(0, M, BLOCK):
            offs = start + tl.arange(0, BLOCK)
            v = tl.load(base_x + offs - 1, mask=(offs >= 1) & (offs < M), other=0.0).to(tl.float32)
            tl.store(base_o + offs, tl.cumsum(v, axis=0) + carry, mask=offs < M)
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
        if out.numel() == 0:
            return out.movedim(-1, d)
        r = out.numel() // m
        programs = min(r, 2 * torch.cuda.get_device_properties(x.device).multi_processor_count) if x.is_cuda else 3
        scan[(programs,)](rows, out, r, rows.shape[-1], m, BLOCK=256)
        return out.movedim(-1, d)
