# honest: h25 adds the totals of blocks up by atomics, and scans each block from there
# expect: accept
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def add_totals(x_ptr, t_ptr, N, NB, BLOCK: tl.constexpr, HIGH: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    block = tl.program_id(1)
    offs = block * BLOCK + tl.arange(0, BLOCK)
    total = tl.sum(tl.load(x_ptr + row * N + offs, mask=offs < N, other=0.0).to(tl.float32), axis=0)
    later = tl.arange(0, HIGH)
    tl.atomic_add(t_ptr + row * NB + later, total + 0.0 * later, mask=(later > block) & (later < NB))


@triton.jit
def scan_blocks(x_ptr, t_ptr, o_ptr, N, M, NB, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    block = tl.program_id(1)
    offs = block * BLOCK + tl.arange(0, BLOCK)
    v = tl.load(x_ptr + row * N + offs, mask=offs < N, other=0.0).to(tl.float32)
    before = tl.load(t_ptr + row * NB + block)
    tl.store(o_ptr + row * M + offs, before + tl.cumsum(v, axis=0) - v, mask=offs < M)


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
        count, blocks = out.numel() // m, triton.cdiv(m, 512)
        totals = torch.zeros((count, blocks), device=x.device, dtype=torch.float32)
        high = triton.next_power_of_2(blocks)
        add_totals[(count, blocks)](rows, totals, rows.shape[-1], blocks, BLOCK=512, HIGH=high)
        scan_blocks[(count, blocks)](rows, totals, out, rows.shape[-1], m, blocks, BLOCK=512)
        return out.movedim(-1, d)
