import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.autotune(
    configs=[
        triton.Config({"BLOCK": 512}, num_warps=4),
        triton.Config({"BLOCK": 1024}, num_warps=4),
        triton.Config({"BLOCK": 2048}, num_warps=4),
        triton.Config({"BLOCK": 4096}, num_warps=8),
    ],
    key=["length"],
)
@triton.jit
def _convolve_rows(
    x_ptr,
    weight_ptr,
    bias_ptr,
    out_ptr,
    channels,
    length,
    stride_x_row,
    ACC: tl.constexpr,
    TAPS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """One program makes one block of one row; the shifted loads meet in the first-level cache."""
    LOG2_E: tl.constexpr = 1.4426950408889634
    row = tl.program_id(0).to(tl.int64)
    channel = row % channels
    x_row = x_ptr + row * stride_x_row
    index = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = index < length
    total = tl.zeros([BLOCK], ACC) + tl.load(bias_ptr + channel).to(ACC)
    for tap in tl.static_range(TAPS):
        at = index - (TAPS - 1 - tap)
        x = tl.load(x_row + at, mask=(at >= 0) & inside, other=0.0).to(ACC)
        total += x * tl.load(weight_ptr + channel * TAPS + tap).to(ACC)
    result = total / (1.0 + tl.exp2(-total * LOG2_E))
    tl.store(out_ptr + row * length + index, result, mask=inside, eviction_policy="evict_first")


def conv1d_depthwise(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Causal depthwise convolution of (batch, channels, length), then SiLU."""
    batch, channels, length = x.shape
    out = torch.empty((batch, channels, length), device=x.device, dtype=x.dtype)
    if out.numel() == 0:
        return out
    rows = x.reshape(batch * channels, length)
    if rows.stride(1) != 1:
        rows = rows.contiguous()

    def grid(meta):
        return (batch * channels, triton.cdiv(length, meta["BLOCK"]))

    _convolve_rows[grid](
        rows,
        weight.contiguous(),
        bias.contiguous(),
        out,
        channels,
        length,
        rows.stride(0),
        ACC=tl.float64 if x.dtype == torch.float64 else tl.float32,
        TAPS=weight.shape[-1],
    )
    return out


class ModelNew(nn.Module):
    def __init__(self, channels, taps):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, 1, taps).uniform_(-0.5, 0.5))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        return conv1d_depthwise(x, self.weight, self.bias)
