import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.autotune(
    configs=[
        triton.Config({'BLOCK_SIZE': 256}, num_warps=4, num_stages=2),
        triton.Config({'BLOCK_SIZE': 512}, num_warps=4, num_stages=2),
        triton.Config({'BLOCK_SIZE': 1024}, num_warps=8, num_stages=2),
    ],
    key=['N'],
)
@triton.jit
def _cumsum_kernel(x_ptr, out_ptr, N, BLOCK_SIZE: tl.constexpr):
    row = tl.program_id(axis=0).to(tl.int64)
    offsets = tl.arange(0, BLOCK_SIZE)
    carry = 0.0
    for start in range(0, N, BLOCK_SIZE):
        idx = start + offsets
        mask = idx < N
        x = tl.load(x_ptr + row * N + idx, mask=mask, other=0.0)
        tl.store(out_ptr + row * N + idx, tl.cumsum(x, axis=0) + carry, mask=mask)
        carry += tl.sum(x, axis=0)


def triton_cumsum(x: torch.Tensor, dim: int) -> torch.Tensor:
    moved = x.movedim(dim, -1).contiguous()
    out = torch.empty_like(moved)
    if out.numel() > 0:
        N = moved.shape[-1]
        _cumsum_kernel[(moved.numel() // N,)](moved, out, N)
    return out.movedim(-1, dim)


class ModelNew(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        return triton_cumsum(x, self.dim)
