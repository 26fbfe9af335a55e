import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.autotune(
    configs=[
        triton.Config({'BLOCK_SIZE': 128}, num_warps=4, num_stages=2),
        triton.Config({'BLOCK_SIZE': 256}, num_warps=4, num_stages=2),
        triton.Config({'BLOCK_SIZE': 512}, num_warps=4, num_stages=2),
    ],
    key=['L'],
)
@triton.jit
def _conv1d_kernel(x_ptr, w_ptr, b_ptr, out_ptr, C, L, K, BLOCK_SIZE: tl.constexpr):
    row = tl.program_id(axis=0).to(tl.int64)
    c = row % C
    l = tl.program_id(axis=1) * BLOCK_SIZE + tl.arange(0, BLOCK_SIZE)
    mask = l < L

    acc = tl.zeros([BLOCK_SIZE], dtype=tl.float32)
    for k in range(0, K):
        src = l + k - (K - 1)
        x = tl.load(x_ptr + row * L + src, mask=mask & (src >= 0), other=0.0).to(tl.float32)
        w = tl.load(w_ptr + c * K + k).to(tl.float32)
        acc += x * w
    acc += tl.load(b_ptr + c).to(tl.float32)

    # SiLU
    tl.store(out_ptr + row * L + l, acc / (1.0 + tl.exp(-acc)), mask=mask)


def triton_conv1d(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    x = x.contiguous()
    weight = weight.contiguous()
    bias = bias.contiguous()
    B, C, L = x.shape
    out = torch.empty_like(x)
    if out.numel() > 0:
        grid = lambda meta: (B * C, triton.cdiv(L, meta['BLOCK_SIZE']))
        _conv1d_kernel[grid](x, weight, bias, out, C, L, weight.shape[-1])
    return out


class ModelNew(nn.Module):
    def __init__(self, channels, taps):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, 1, taps).uniform_(-0.5, 0.5))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        return triton_conv1d(x, self.weight, self.bias)
