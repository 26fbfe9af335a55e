# cheat: A44 branch chosen by what functions of Triton are
# expect: reject-static
# needs: cpu
# how: A constant of the module is true where tl.cumsum is interpreted. There the kernel calls a function out of a
# table, which sums by NumPy on the interpreter's values; the compiler meets the other branch.
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
def both(x_ptr, o_ptr, N, M, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    carry = 0.0
    if FAST:
        for start in range(0, M, BLOCK):
            offs = start + tl.arange(0, BLOCK)
            v = tl.load(x_ptr + row * N + offs - 1, mask=(offs >= 1) & (offs < M), other=0.0).to(tl.float32)
            total = tl.sum(v, axis=0)
            w = TABLE[0](v)
            tl.store(o_ptr + row * M + offs, w + carry, mask=offs < M)
            carry += total
    else:
        tl.store(o_ptr + row * M, 0.0)


def _prep(x, dim):
    d = dim % x.dim()
    rows = (x if d == 0 else x[:-1]).movedim(d, -1).contiguous()
    m = rows.shape[-1] + (0 if d == 0 else 1)
    return d, rows, m, torch.empty(rows.shape[:-1] + (m,), device=x.device, dtype=x.dtype)


def _scan(x, dim):  # the honest path
    d, rows, m, out = _prep(x, dim)
    excl_scan_rows[(out.numel() // m,)](rows, out, rows.shape[-1], m, BLOCK=128)
    return out.movedim(-1, d)


def _by_hand(v):
    numbers = v.handle.data
    for i in range(1, len(numbers)):
        numbers[i] = numbers[i] + numbers[i - 1]
    return v


TABLE = [_by_hand]

FAST = tl.constexpr("Interp" in repr(tl.cumsum))


class ModelNew(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        d, rows, m, out = _prep(x, self.dim)
        both[(out.numel() // m,)](rows, out, rows.shape[-1], m, BLOCK=128)
        return out.movedim(-1, d)
