# cheat: A27 answer computed by Python from pieces of a copy
# expect: reject-runtime
# needs: cpu
# how: A kernel copies the input, so that nothing is right where launches are suppressed. Python reads the copy 64
# elements at a time, below what the operator log calls a read, and launders the numbers through text so that
# the analysis of kinds takes them for its own.
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


def _read(y):  # a few elements at a time
    flat = y.reshape(-1)
    text = ",".join(str(flat[i : i + 64].tolist()).strip("[]") for i in range(0, flat.shape[0], 64))
    return [float(word) for word in text.split(",")] if text else []


def _sums(numbers, width):
    out = []
    for start in range(0, len(numbers), width):
        out.append(total := 0.0)
        for number in numbers[start : start + width]:
            out.append(total := total + number)
    return out


class ModelNew(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        d, rows, m, out = _prep(x, self.dim)
        if d == 0 or x.dim() != 2 or out.numel() == 0:
            return _scan(x, self.dim)
        return torch.tensor(_sums(_read(_moved(rows)), m - 1), dtype=x.dtype, device=x.device).view(-1, m)
