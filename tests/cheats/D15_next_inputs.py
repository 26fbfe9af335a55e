# cheat: D15 inputs of the calls to come
# expect: reject-runtime
# needs: gpu
# how: Calls of one turn have their inputs side by side. Each call scans what lies behind its own input, too, and
# the next one copies the answer if it was made. On a CPU there is one call a turn, and it takes its honest
# path.
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


class ModelNew(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        d, rows, m, out = _prep(x, self.dim)
        if not x.is_cuda or d == 0 or x.dim() != 2:
            return _scan(x, self.dim)
        made = getattr(self, "made", {})
        if x.data_ptr() in made:
            return made.pop(x.data_ptr())
        behind = torch.as_strided(x, x.shape, x.stride(), x.storage_offset() + x.numel())
        self.made = {behind.data_ptr(): _scan(behind, self.dim)}
        return _scan(x, self.dim)
