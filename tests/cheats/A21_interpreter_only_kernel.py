# cheat: A21 kernel that exists in the interpreter alone
# expect: reject-static
# needs: cpu
# how: In interpreter mode a kernel's body is plain Python: it calls the library on tensors that forward left
# in a global. No compiler accepts it.
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


BOX = {}


def _fill():
    BOX["out"].copy_(_torch_way(BOX["x"], BOX["dim"]))


@triton.jit
def pretend(x_ptr, o_ptr, n):
    _fill()


class ModelNew(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        d, _, _, out = _prep(x, self.dim)
        BOX.update(x=x, out=out.movedim(-1, d), dim=self.dim)
        pretend[(1,)](x, out, x.numel())
        return BOX["out"]
