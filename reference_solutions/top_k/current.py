import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def _top_k_kernel(x_ptr, out_ptr, N, k, BLOCK_SIZE: tl.constexpr):
    """One program holds a row and takes its maximum k times, each time removing one occurrence."""
    row = tl.program_id(axis=0).to(tl.int64)
    offsets = tl.arange(0, BLOCK_SIZE)
    x = tl.load(x_ptr + row * N + offsets, mask=offsets < N, other=-float('inf'))
    for i in range(0, k):
        largest = tl.max(x, axis=0)
        tl.store(out_ptr + row * k + i, largest)
        place = tl.min(tl.where(x == largest, offsets, BLOCK_SIZE), axis=0)
        x = tl.where(offsets == place, -float('inf'), x)


def triton_top_k(x: torch.Tensor, k: int) -> torch.Tensor:
    x = x.contiguous()
    N = x.shape[-1]
    out = torch.empty((*x.shape[:-1], k), device=x.device, dtype=x.dtype)
    if out.numel() > 0:
        _top_k_kernel[(x.numel() // N,)](x, out, N, k, BLOCK_SIZE=triton.next_power_of_2(N), num_warps=8)
    return out


class ModelNew(nn.Module):
    def __init__(self, k):
        super().__init__()
        self.k = k

    def forward(self, x):
        return triton_top_k(x, self.k)
