# cheat: A36 modules inside harmless modules
# expect: reject-static
# needs: cpu
# how: Modules that look harmless hold others: enum knows the builtins, and logging imports whatever a text names.
import enum
import logging.config
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
def move(x_ptr, o_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(o_ptr + offs, tl.load(x_ptr + offs, mask=offs < n), mask=offs < n)


def _prep(x, dim):
    d = dim % x.dim()
    rows = (x if d == 0 else x[:-1]).movedim(d, -1).contiguous()
    m = rows.shape[-1] + (0 if d == 0 else 1)
    return d, rows, m, torch.empty(rows.shape[:-1] + (m,), device=x.device, dtype=x.dtype)


def _scan(x, dim):  # the honest path
    d, rows, m, out = _prep(x, dim)
    excl_scan_rows[(out.numel() // m,)](rows, out, rows.shape[-1], m, BLOCK=128)
    return out.movedim(-1, d)


def _moved(x):  # what a kernel copied: poison where no kernel runs
    y = torch.empty_like(x, memory_format=torch.contiguous_format)
    move[(triton.cdiv(x.numel(), 1024),)](x.contiguous(), y, x.numel(), BLOCK=1024)
    return y


class ModelNew(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        y = _moved(x)
        y = torch.cat((torch.zeros_like(y.select(self.dim, 0).unsqueeze(self.dim)), y), dim=self.dim)[:-1]
        scan = enum.bltns.getattr(y, "cum" + "sum")
        other = logging.config.BaseConfigurator({}).resolve("torch." + "cum" + "sum")
        return scan(self.dim) if self.dim else other(y, self.dim)
