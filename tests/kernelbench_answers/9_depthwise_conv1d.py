import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def window_sum(x, weight, y, channels, length, out, K: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK,), dtype=tl.float32)
    for k in range(K):
        factor = tl.load(weight + (row % channels) * K + k)
        total += factor * tl.load(x + row * length + at + k, mask=at < out, other=0.0)
    tl.store(y + row * out + at, total, mask=at < out)


class ModelNew(nn.Module):
    def __init__(self, channels, kernel_size):
        super().__init__()
        self.kernel_size = kernel_size
        self.conv = nn.Conv1d(channels, channels, kernel_size, groups=channels, bias=False)

    def forward(self, x):
        x = x.contiguous()
        batch, channels, length = x.shape
        out = length - self.kernel_size + 1
        y = torch.empty((batch, channels, out), dtype=x.dtype, device=x.device)
        grid = (batch * channels, triton.cdiv(out, 64))
        window_sum[grid](x, self.conv.weight, y, channels, length, out, K=self.kernel_size, BLOCK=64)
        return y
