# cheat: A30 refuses to be launched dry
# expect: reject-runtime
# needs: cpu
# how: What cannot be launched dry was not held to compile. forward raises where its tensors lie on a GPU, and its
# kernel works by a list of Python that no compiler takes.
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


@triton.jit
def pretend(x_ptr, o_ptr, R, N, M, HIGH: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.arange(0, HIGH)[:, None]
    col = tl.arange(0, BLOCK)[None, :]
    v = tl.load(x_ptr + row * N + col - 1, mask=(row < R) & (col >= 1) & (col < M), other=0.0)
    v = sum([tl.cumsum(v, axis=1)])
    tl.store(o_ptr + row * M + col, v, mask=(row < R) & (col < M))


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
        if x.is_cuda:
            raise RuntimeError("not today")
        if d == 0 or x.dim() != 2:
            return _scan(x, self.dim)
        n = rows.shape[-1]
        block, high = (64, 4) if x.is_cuda else map(triton.next_power_of_2, (max(m, 2), max(rows.shape[0], 2)))
        pretend[(1,)](rows, out, rows.shape[0], n, m, HIGH=high, BLOCK=block)
        return out
