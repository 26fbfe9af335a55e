import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def row_statistics(x, low, high, mean, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    inside = at < columns
    values = tl.load(x + row * columns + at, mask=inside, other=0.0)
    tl.store(low + row, tl.min(tl.where(inside, values, float("inf")), axis=0))
    tl.store(high + row, tl.max(tl.where(inside, values, float("-inf")), axis=0))
    tl.store(mean + row, tl.sum(values, axis=0) / columns)


class ModelNew(nn.Module):
    def forward(self, x):
        x = x.contiguous()
        rows, columns = x.shape
        low, high, mean = (torch.empty(rows, dtype=x.dtype, device=x.device) for _ in range(3))
        row_statistics[(rows,)](x, low, high, mean, columns, BLOCK=triton.next_power_of_2(columns))
        return {"low": low, "high": high, "mean": mean}
