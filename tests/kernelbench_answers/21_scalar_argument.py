import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def line(a, y, scale, shift, count, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + at, tl.load(a + at, mask=at < count) * scale + shift, mask=at < count)


class ModelNew(nn.Module):
    def forward(self, a, scale, shift):
        a = a.contiguous()
        y = torch.empty_like(a)
        line[(triton.cdiv(a.numel(), 256),)](a, y, scale, shift, a.numel(), BLOCK=256)
        return y
