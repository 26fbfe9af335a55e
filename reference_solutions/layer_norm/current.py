import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.autotune(
    configs=[
        triton.Config({'BLOCK_SIZE': 256}, num_warps=4, num_stages=2),
        triton.Config({'BLOCK_SIZE': 1024}, num_warps=4, num_stages=2),
        triton.Config({'BLOCK_SIZE': 2048}, num_warps=8, num_stages=2),
    ],
    key=['N'],
)
@triton.jit
def _layer_norm_kernel(x_ptr, weight_ptr, bias_ptr, out_ptr, N, eps, BLOCK_SIZE: tl.constexpr):
    row = tl.program_id(axis=0).to(tl.int64)
    x_ptr += row * N
    out_ptr += row * N
    offsets = tl.arange(0, BLOCK_SIZE)

    total = tl.zeros([BLOCK_SIZE], dtype=tl.float32)
    for start in range(0, N, BLOCK_SIZE):
        total += tl.load(x_ptr + start + offsets, mask=start + offsets < N, other=0.0).to(tl.float32)
    mean = tl.sum(total, axis=0) / N

    squares = tl.zeros([BLOCK_SIZE], dtype=tl.float32)
    for start in range(0, N, BLOCK_SIZE):
        mask = start + offsets < N
        x = tl.load(x_ptr + start + offsets, mask=mask, other=0.0).to(tl.float32)
        centred = tl.where(mask, x - mean, 0.0)
        squares += centred * centred
    std = tl.sqrt(tl.sum(squares, axis=0) / N + eps)

    for start in range(0, N, BLOCK_SIZE):
        mask = start + offsets < N
        x = tl.load(x_ptr + start + offsets, mask=mask, other=0.0).to(tl.float32)
        w = tl.load(weight_ptr + start + offsets, mask=mask, other=0.0).to(tl.float32)
        b = tl.load(bias_ptr + start + offsets, mask=mask, other=0.0).to(tl.float32)
        tl.store(out_ptr + start + offsets, (x - mean) / std * w + b, mask=mask)


def triton_layer_norm(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float) -> torch.Tensor:
    x = x.contiguous()
    weight = weight.contiguous()
    bias = bias.contiguous()
    out = torch.empty_like(x)
    if out.numel() > 0:
        N = x.shape[-1]
        _layer_norm_kernel[(x.numel() // N,)](x, weight, bias, out, N, eps)
    return out


class ModelNew(nn.Module):
    def __init__(self, columns, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(columns))
        self.bias = nn.Parameter(torch.zeros(columns))
        self.eps = eps

    def forward(self, x):
        return triton_layer_norm(x, self.weight, self.bias, self.eps)
