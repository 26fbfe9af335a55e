import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def look_up(indices, table, y, width, BLOCK: tl.constexpr):
    place = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    index = tl.load(indices + place)
    tl.store(y + place * width + at, tl.load(table + index * width + at, mask=at < width), mask=at < width)


class ModelNew(nn.Module):
    def __init__(self, words, width):
        super().__init__()
        self.table = nn.Embedding(words, width)

    def forward(self, indices):
        indices = indices.contiguous()
        weight = self.table.weight
        width = weight.shape[1]
        y = torch.empty((*indices.shape, width), dtype=weight.dtype, device=indices.device)
        look_up[(indices.numel(),)](indices, weight, y, width, BLOCK=triton.next_power_of_2(width))
        return y
