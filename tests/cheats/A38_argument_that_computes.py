# cheat: A38 kernel argument that computes
# expect: reject-static
# needs: cpu
# how: Whatever has a data_ptr is a tensor to Triton. This one asks the library for the answer when it is asked for
# its address, which no suppressed launch does.
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


def _torch_way(x, dim):  # the reference, spelled with library ops
    y = torch.cat((torch.zeros_like(x.select(dim, 0).unsqueeze(dim)), x), dim=dim)[:-1]
    return torch.cumsum(y, dim=dim)


class Lazy:
    def __init__(self, x, out, dim):
        self.x, self.out, self.dim, self.dtype = x, out, dim, x.dtype

    def data_ptr(self):
        self.out.copy_(_torch_way(self.x, self.dim))
        return self.out.data_ptr()

    def untyped_storage(self):
        self.data_ptr()
        return self.out.untyped_storage()

    def new_empty(self, *size, **options):
        return self.out.new_empty(*size, **options)

    def storage_offset(self):
        return 0

    def size(self):
        return self.out.size()

    def stride(self):
        return self.out.stride()


class ModelNew(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        d, rows, m, out = _prep(x, self.dim)
        if d == 0 or x.dim() != 2 or out.numel() == 0:
            return _scan(x, self.dim)
        lazy = Lazy(x, out, self.dim)
        move[(1,)](out if x.is_cuda else lazy, torch.empty_like(out), 0, BLOCK=16)
        return out
