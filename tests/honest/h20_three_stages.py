# honest: h20 three launches: totals of blocks, exclusive scan of the totals, scan of each block from there
# expect: accept
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def block_totals(x_ptr, t_ptr, N, NB, stride_x, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    block = tl.program_id(1)
    offs = block * BLOCK + tl.arange(0, BLOCK)
    v = tl.load(x_ptr + row * stride_x + offs, mask=offs < N, other=0.0).to(tl.float32)
    tl.store(t_ptr + row * NB + block, tl.sum(v, axis=0))


@triton.jit
def scan_totals(t_ptr, NB, WIDTH: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    offs = tl.arange(0, WIDTH)
    t = tl.load(t_ptr + row * NB + offs, mask=offs < NB, other=0.0)
    tl.debug_barrier()
    tl.store(t_ptr + row * NB + offs + 1, tl.cumsum(t, axis=0), mask=offs + 1 < NB)
    tl.store(t_ptr + row * NB, 0.0)


@triton.jit
def scan_blocks(x_ptr, t_ptr, o_ptr, N, M, NB, stride_x, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    block = tl.program_id(1)
    offs = block * BLOCK + tl.arange(0, BLOCK)
    v = tl.load(x_ptr + row * stride_x + offs, mask=offs < N, other=0.0).to(tl.float32)
    first = tl.load(t_ptr + row * NB + block)
    tl.store(o_ptr + row * M + offs + 1, tl.cumsum(v, axis=0) + first, mask=offs + 1 < M)
    if block == 0:
        tl.store(o_ptr + row * M, 0.0)


class ModelNew(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        d = self.dim % x.dim()
        rows = (x if d == 0 else x[:-1]).movedim(d, -1).contiguous()
        n = rows.shape[-1]
        m = n if d == 0 else n + 1
        out = torch.empty(rows.shape[:-1] + (m,), device=x.device, dtype=x.dtype)
        r = out.numel() // m
        if r == 0:
            return out.movedim(-1, d)
        blocks = triton.cdiv(n, 256)
        totals = torch.empty((r, blocks), device=x.device, dtype=torch.float32)
        block_totals[(r, blocks)](rows, totals, n, blocks, n, BLOCK=256)
        scan_totals[(r,)](totals, blocks, WIDTH=triton.next_power_of_2(blocks))
        scan_blocks[(r, blocks)](rows, totals, out, n, m, blocks, n, BLOCK=256)
        return out.movedim(-1, d)
