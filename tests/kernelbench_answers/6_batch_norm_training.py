import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def norm_channel(x, weight, bias, y, count, channels, area, eps, BLOCK: tl.constexpr):
    channel = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    inside = at < count
    place = (at // area) * channels * area + channel * area + at % area
    values = tl.load(x + place, mask=inside, other=0.0)
    mean = tl.sum(values, axis=0) / count
    off = tl.where(inside, values - mean, 0.0)
    spread = tl.sum(off * off, axis=0) / count
    scaled = off / tl.sqrt(spread + eps) * tl.load(weight + channel) + tl.load(bias + channel)
    tl.store(y + place, scaled, mask=inside)


class ModelNew(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x):
        x = x.contiguous()
        y = torch.empty_like(x)
        batch, channels, height, width = x.shape
        count = batch * height * width
        norm_channel[(channels,)](
            x, self.norm.weight, self.norm.bias, y, count, channels, height * width, self.norm.eps,
            BLOCK=triton.next_power_of_2(count),
        )
        return y
