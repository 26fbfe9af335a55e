import torch
import torch.nn as nn


class Model(nn.Module):
    """Attention with several heads: the width is a multiple of their number."""

    def __init__(self, width, heads):
        super().__init__()
        self.attend = nn.MultiheadAttention(width, heads, dropout=0.1, batch_first=True)

    def forward(self, x):
        return self.attend(x, x, x, need_weights=False)[0]


batch_size = 4
length = 32
heads = 4
width = heads * 16


def get_inputs():
    return [torch.randn(batch_size, length, width)]


def get_init_inputs():
    return [width, heads]
