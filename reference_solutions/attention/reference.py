import torch
import torch.nn as nn
import torch.nn.functional as F


class Model(nn.Module):
    """
    Causal attention in bfloat16: softmax(scale * q @ k.T) @ v for each head, where no position sees later ones.
    """

    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def forward(self, q, k, v):
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=self.scale)


batch_size = 8
heads = 16
length = 4096
width = 128
scale = 0.08838834764831845


def get_inputs():
    shape = (batch_size, heads, length, width)
    return [torch.rand(shape, dtype=torch.bfloat16) for _ in range(3)]


def get_init_inputs():
    return [scale]
