import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def step(x, state, weight, bias, y, features, width, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    inside = at < width
    total = tl.load(bias + at, mask=inside, other=0.0)
    for i in range(features):
        total += tl.load(x + row * features + i) * tl.load(
            weight + at * (features + width) + i, mask=inside, other=0.0
        )
    for i in range(width):
        total += tl.load(state + row * width + i) * tl.load(
            weight + at * (features + width) + features + i, mask=inside, other=0.0
        )
    powers = tl.exp(-2.0 * tl.abs(total))
    size = (1.0 - powers) / (1.0 + powers)
    tl.store(y + row * width + at, tl.where(total < 0, -size, size), mask=inside)


class ModelNew(nn.Module):
    def __init__(self, batch_size, features, width):
        super().__init__()
        self.hidden = torch.randn(batch_size, width)
        self.mix = nn.Linear(features + width, width)

    def forward(self, x):
        x = x.contiguous()
        rows, features = x.shape
        state = self.hidden.to(x.device, x.dtype)
        width = state.shape[1]
        y = torch.empty((rows, width), dtype=x.dtype, device=x.device)
        step[(rows,)](
            x, state, self.mix.weight, self.mix.bias, y, features, width,
            BLOCK=triton.next_power_of_2(width),
        )
        self.hidden = y.clone()
        return y
